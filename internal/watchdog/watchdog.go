package watchdog

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// Config says what to serve. The zero value of all but Command is usable.
type Config struct {
	Command  []string     // program and arguments; a name without a slash is looked for in PATH
	Listener net.Listener // nil: descriptor 3
	Env      []string     // environment of the program; nil: this process's own
	Stderr   io.Writer    // gets what the programs print there, each line after its call's id; nil: this process's own
}

// Run serves until ctx ends, then finishes the calls in hand and returns nil.
// An error means that it could not serve at all; it is Invalid if the program
// does not exist.
func Run(ctx context.Context, cfg Config) error {
	if len(cfg.Command) == 0 {
		return fn.Errorf(fn.Invalid, "watchdog: name the program to run")
	}
	program, err := exec.LookPath(cfg.Command[0])
	if err != nil {
		return fn.Errorf(fn.Invalid, "watchdog: %w", err)
	}
	if cfg.Listener == nil {
		if cfg.Listener, err = inherited(); err != nil {
			return err
		}
	}
	if cfg.Env == nil {
		cfg.Env = os.Environ()
	}
	if cfg.Stderr == nil {
		cfg.Stderr = os.Stderr
	}
	s := &server{program: program, argv: cfg.Command, env: baseEnv(cfg.Env), kids: newChildren(), log: &lineWriter{w: cfg.Stderr}}
	for _, pair := range s.env {
		if v, ok := strings.CutPrefix(pair, "CONTENT_TYPE="); ok {
			s.contentType = v
		}
	}
	return s.run(ctx, cfg.Listener)
}

// inherited opens the listening socket on descriptor 3 and makes sure that no
// program started from here gets it.
func inherited() (net.Listener, error) {
	unix.CloseOnExec(3)
	f := os.NewFile(3, "http")
	defer f.Close() // the listener has its own copy
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "watchdog: descriptor 3 is not a listening socket: %w", err)
	}
	return l, nil
}

// server is one Run.
type server struct {
	program     string
	argv        []string
	env         []string
	contentType string // of every response; "": told from its first bytes
	kids        *children
	log         *lineWriter
}

func (s *server) run(ctx context.Context, l net.Listener) error {
	// Programs that outlive the shell that started them come to us.
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // process 1 has them anyway
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.kids.stop()
	wg.Go(s.kids.reap)
	hs := &http.Server{Handler: http.HandlerFunc(s.serve), MaxHeaderBytes: 256 << 10}
	served := make(chan error, 1)
	wg.Go(func() { served <- hs.Serve(l) })
	select {
	case err := <-served:
		return fn.Errorf(fn.Internal, "watchdog: serving: %w", err)
	case <-ctx.Done():
	}
	// The platform bounds this: it kills the sandbox after its grace.
	if err := hs.Shutdown(context.WithoutCancel(ctx)); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fn.Errorf(fn.Internal, "watchdog: stopping: %w", err)
	}
	return nil
}

// linger is how long output is waited for after the program ended: only a
// program that left its own process group can keep it open.
const linger = time.Second
