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

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/watchdog/fork"
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
		if cfg.Listener, err = fork.Inherited(); err != nil {
			return err
		}
	}
	if cfg.Env == nil {
		cfg.Env = os.Environ()
	}
	if cfg.Stderr == nil {
		cfg.Stderr = os.Stderr
	}
	s := &server{program: program, argv: cfg.Command, env: fork.BaseEnv(cfg.Env), kids: fork.NewChildren(), log: fork.NewLog(cfg.Stderr)}
	for _, pair := range s.env {
		if v, ok := strings.CutPrefix(pair, "CONTENT_TYPE="); ok {
			s.contentType = v
		}
	}
	return s.run(ctx, cfg.Listener)
}

// server is one Run.
type server struct {
	program     string
	argv        []string
	env         []string
	contentType string // of every response; "": told from its first bytes
	kids        *fork.Children
	log         *fork.Log
}

func (s *server) run(ctx context.Context, l net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.kids.Stop()
	wg.Go(s.kids.Reap)
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
