package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// plain is the least engine there can be: processes of the host, as nobody,
// with no walls around them. It passes what does not need walls, and its
// programs must be found to escape.
type plain struct {
	mu     sync.Mutex
	closed bool                  // guarded by mu
	all    map[*process]struct{} // running; guarded by mu
}

func openPlain(string) (engine.Engine, error) {
	// Children of programs that end become ours, so that we can wait for them.
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	return &plain{all: map[*process]struct{}{}}, err
}

func TestMain(m *testing.M) { Main(m, openPlain) }

func TestPlainEngineConforms(t *testing.T) {
	Run(t, openPlain, Options{Freeze: true})
}

func TestEscapesAreFound(t *testing.T) {
	s := newSuite(t, openPlain, Options{})
	found, details := map[string]bool{}, map[string]string{}
	for _, res := range s.escapes(t, fn.NetworkOff) {
		found[res.Name], details[res.Name] = res.Escaped, res.Detail
		if strings.Contains(res.Detail, "broke") {
			t.Errorf("%s: %s", res.Name, res.Detail)
		}
	}
	for _, name := range []string{
		"see other processes", "read hidden files", "connect to Unix sockets", "abstract Unix socket", "connect to refused hosts",
		"see the host's name", "new privileges", "capabilities", "namespaces", "trace a process", "call keyctl", "call add_key",
	} {
		if os.Getuid() != 0 && name == "capabilities" {
			continue
		}
		if !found[name] {
			t.Errorf("with no walls, %q did not succeed: %s", name, details[name])
		}
	}
	for _, name := range []string{"read /etc/shadow", "become root", "call init_module", "write to the system", "make devices"} {
		if found[name] {
			t.Errorf("nobody managed to %s: %s", name, details[name])
		}
	}
}

func (e *plain) Recover(context.Context) (engine.Leftovers, error) { return engine.Leftovers{}, nil }

func (e *plain) Close() error {
	e.mu.Lock()
	e.closed = true
	var all []*process
	for p := range e.all {
		all = append(all, p)
	}
	e.mu.Unlock()
	for _, p := range all {
		p.signal(syscall.SIGKILL)
		<-p.done
	}
	return nil
}

type process struct {
	e       *plain
	spec    engine.Spec
	cmd     *exec.Cmd
	address net.Addr
	done    chan struct{}
	exit    engine.Exit // written before done is closed
	kill    chan struct{}
	once    sync.Once
}

func (e *plain) Start(ctx context.Context, spec engine.Spec) (engine.Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, fn.Errorf(fn.Canceled, "starting: %w", err)
	}
	if len(spec.Program.Command) == 0 {
		return nil, fn.Errorf(fn.Invalid, "no command")
	}
	path := strings.Replace(spec.Program.Command[0], "/function", spec.Root, 1)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return nil, fn.Errorf(fn.Invalid, "no such program: %s", path)
	}
	p := &process{e: e, spec: spec, done: make(chan struct{}), kill: make(chan struct{})}
	p.cmd = &exec.Cmd{Path: path, Args: append([]string{path}, spec.Program.Command[1:]...), Dir: spec.Root}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	p.cmd.Env = []string{"HOME=/tmp", "TMPDIR=/tmp"}
	for k, v := range spec.Env {
		p.cmd.Env = append(p.cmd.Env, k+"="+v)
	}
	if _, ok := spec.Env["PATH"]; !ok {
		p.cmd.Env = append(p.cmd.Env, "PATH=/usr/bin:/bin")
	}
	return p, p.run()
}

func (p *process) listen() (io.Closer, error) {
	switch p.spec.Program.Listen {
	case fn.ListenSocket:
		dir, err := os.MkdirTemp("", "plain")
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("unix", filepath.Join(dir, "s"))
		if err != nil {
			return nil, err
		}
		p.address = l.Addr()
		f, err := l.(*net.UnixListener).File()
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
		p.cmd.ExtraFiles = []*os.File{f}
		// Only the shell knows the process id before the program runs.
		p.cmd.Args = append([]string{"sh", "-c", `unset PWD; LISTEN_PID=$$; export LISTEN_PID; exec "$@"`, "sh"}, p.cmd.Args...)
		p.cmd.Path = "/bin/sh"
		p.cmd.Env = append(p.cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=http")
		return closers{f, remover(dir)}, err
	case fn.ListenPort:
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		p.address = l.Addr()
		p.cmd.Env = append(p.cmd.Env, "PORT="+strconv.Itoa(p.address.(*net.TCPAddr).Port))
		return nil, l.Close()
	}
	return nil, nil
}

type closers []io.Closer

func (c closers) Close() error {
	var err error
	for _, x := range c {
		err = errors.Join(err, x.Close())
	}
	return err
}

type remover string

func (r remover) Close() error { return nil } // the test's end removes it

func (p *process) run() error {
	listening, err := p.listen()
	if err != nil {
		return err
	}
	if listening != nil {
		defer listening.Close()
	}
	var wg sync.WaitGroup
	var writers []*os.File
	for i, to := range []io.Writer{p.spec.Stdout, p.spec.Stderr} {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		if to == nil {
			to = io.Discard
		}
		writers = append(writers, w)
		if i == 0 {
			p.cmd.Stdout = w
		} else {
			p.cmd.Stderr = w
		}
		wg.Go(func() { _, _ = io.Copy(to, r); r.Close() })
	}
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	if p.e.closed {
		err = fn.Errorf(fn.Unavailable, "closed")
	} else {
		err = p.cmd.Start()
	}
	for _, w := range writers {
		w.Close()
	}
	if err != nil {
		wg.Wait()
		return err
	}
	p.e.all[p] = struct{}{}
	go func() {
		state, _ := p.cmd.Process.Wait()
		p.signal(syscall.SIGKILL) // what it left behind
		for err := error(nil); !errors.Is(err, unix.ECHILD); {
			_, err = unix.Wait4(-p.cmd.Process.Pid, nil, 0, nil)
		}
		wg.Wait()
		status := state.Sys().(syscall.WaitStatus)
		p.exit = engine.Exit{Code: state.ExitCode(), CPU: state.UserTime() + state.SystemTime()}
		if status.Signaled() {
			p.exit.Signal = status.Signal().String()
		}
		p.e.mu.Lock()
		delete(p.e.all, p)
		p.e.mu.Unlock()
		close(p.done)
	}()
	return nil
}

func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

func (p *process) ID() string            { return p.spec.ID }
func (p *process) Done() <-chan struct{} { return p.done }
func (p *process) Exit() engine.Exit     { return p.exit }

func (p *process) Dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, p.address.Network(), p.address.String())
}

func (p *process) Stop(ctx context.Context, grace time.Duration) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	p.signal(syscall.SIGCONT)
	if grace > 0 {
		p.signal(syscall.SIGTERM)
		select {
		case <-p.done:
			return nil
		case <-p.kill:
		case <-time.After(grace):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p.once.Do(func() { close(p.kill) })
	p.signal(syscall.SIGKILL)
	<-p.done
	return nil
}

// Freeze returns once the program has stopped: a signal takes its time to
// reach a thread that runs on another processor.
func (p *process) Freeze(ctx context.Context) error {
	p.signal(syscall.SIGSTOP)
	for ctx.Err() == nil && !p.stands() {
		runtime.Gosched()
	}
	return ctx.Err()
}

// stands reports whether every thread of the program has stopped, or is gone.
func (p *process) stands() bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	if err != nil {
		return true
	}
	for _, stat := range tasks {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		if _, after, ok := strings.Cut(string(text), ") "); ok && !strings.HasPrefix(after, "T") && !strings.HasPrefix(after, "Z") {
			return false
		}
	}
	return true
}

func (p *process) Thaw(context.Context) error { p.signal(syscall.SIGCONT); return nil }
