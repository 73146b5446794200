package steps

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// direct is a Runner without any sandbox: it translates the paths a step
// would see to those of the host.
type direct struct {
	mu    sync.Mutex
	specs []engine.Spec // guarded by mu
}

func (d *direct) Start(ctx context.Context, spec engine.Spec) (engine.Instance, error) {
	d.mu.Lock()
	d.specs = append(d.specs, spec)
	d.mu.Unlock()
	replace := []string{"/function", spec.Root}
	for _, m := range spec.Mounts {
		replace = append(replace, m.Target, m.Source)
	}
	host := strings.NewReplacer(replace...)
	argv := spec.Program.Command
	cmd := exec.Command(argv[0])
	cmd.Args = nil
	for i, a := range argv {
		if i > 0 {
			a = host.Replace(a)
		}
		cmd.Args = append(cmd.Args, a)
	}
	for k, v := range spec.Env {
		if k != "PATH" {
			v = host.Replace(v)
		}
		if caches, err := os.UserCacheDir(); k == "GOCACHE" && err == nil {
			v = filepath.Join(caches, "go-build") // compiling all of net/http again takes a minute
		}
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Dir = host.Replace(spec.Program.Dir)
	cmd.Stdout, cmd.Stderr = spec.Stdout, spec.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, fn.Errorf(fn.Invalid, "starting: %w", err)
	}
	i := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(i.done)
		_ = cmd.Wait() // Exit tells
	}()
	return i, nil
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (p *process) ID() string            { return "direct" }
func (p *process) Done() <-chan struct{} { return p.done }

func (p *process) Dial(context.Context) (net.Conn, error) {
	return nil, errors.New("a build step takes no calls")
}

func (p *process) Exit() engine.Exit {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return engine.Exit{Code: -1, Signal: status.Signal().String()}
	}
	return engine.Exit{Code: p.cmd.ProcessState.ExitCode()}
}

func (p *process) Stop(context.Context, time.Duration) error {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may have ended
	<-p.done
	return nil
}

// instance is a running artifact with a listening socket on descriptor 3.
type instance struct {
	cmd    *exec.Cmd
	socket string
	output *lockedBuffer
}

// lockedBuffer is a buffer that may be read while it is written; a reader can
// wait for text.
type lockedBuffer struct {
	mu   sync.Mutex
	text strings.Builder
	grew chan struct{} // closed and replaced at each write
}

func newBuffer() *lockedBuffer { return &lockedBuffer{grew: make(chan struct{})} }

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.grew)
	l.grew = make(chan struct{})
	return l.text.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// until waits until the text is there or ctx ends.
func (l *lockedBuffer) until(ctx context.Context, text string) error {
	for {
		l.mu.Lock()
		found, grew := strings.Contains(l.text.String(), text), l.grew
		l.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-grew:
		case <-ctx.Done():
			return errors.New("never printed " + text + ": " + l.String())
		}
	}
}

// launch starts an artifact the way an engine would, without a sandbox.
func launch(root string, program fn.Program, socket string) (*instance, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	unix := l.(*net.UnixListener)
	unix.SetUnlinkOnClose(false)
	file, err := unix.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// What the platform fills in at a start.
	fill := strings.NewReplacer("/function", root, "%{cpus}", "2", "%{memory90}", "500000000", "%{heapMiB}", "256")
	var argv []string
	for _, a := range program.Command {
		argv = append(argv, fill.Replace(a))
	}
	env := []string{"PATH=/usr/bin:/bin", "HOME=/tmp", "LISTEN_FDS=1", "ROUSE_FUNCTION=f"}
	if argv[0] == runtimes.Watchdog[0] {
		if argv[0], err = os.Executable(); err != nil {
			return nil, err
		}
		env = append(env, watchdogEnv+"=1")
	}
	out := newBuffer()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = root, out, out, []*os.File{file}
	cmd.Env = env
	for k, v := range program.Env {
		cmd.Env = append(cmd.Env, k+"="+fill.Replace(v))
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &instance{cmd: cmd, socket: socket, output: out}, nil
}

func (i *instance) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", i.socket)
}

// raw sends bytes on a new connection and returns all that comes back until
// the instance closes it.
func (i *instance) raw(ctx context.Context, text string) (string, error) {
	c, err := i.dial(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return "", err
		}
	}
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	all, err := io.ReadAll(c)
	return string(all), err
}
