package fork

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Children starts processes and reaps every one there is: also those that
// our programs left behind and that process 1 inherits.
type Children struct {
	mu     sync.Mutex
	living map[int]*Child // by pid; guarded by mu

	signals chan os.Signal
	quit    chan struct{}
}

// Child is a program at work; its pid is also its process group.
type Child struct {
	pid    int
	ended  chan struct{} // closed by Reap
	status unix.WaitStatus
}

// Ended is closed when the program has ended.
func (c *Child) Ended() <-chan struct{} { return c.ended }

// Err says how the program ended: nil if well, else an *Exit. It may be called
// once Ended is closed.
func (c *Child) Err() error {
	if c.status == 0 {
		return nil
	}
	return &Exit{Status: c.status}
}

// NewChildren returns a Children of which Reap must be running before
// anything waits for a program.
func NewChildren() *Children {
	c := &Children{living: map[int]*Child{}, signals: make(chan os.Signal, 1), quit: make(chan struct{})}
	signal.Notify(c.signals, unix.SIGCHLD)
	return c
}

// Start runs a program in a process group of its own, with the first three of
// its descriptors given. The lock is held over the fork so that Reap cannot
// see a child that is not yet known.
func (c *Children) Start(program string, argv, env []string, files []uintptr) (*Child, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err := syscall.ForkExec(program, argv, &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, err
	}
	kid := &Child{pid: pid, ended: make(chan struct{})}
	c.living[pid] = kid
	return kid, nil
}

// wait returns how the program ended; when ctx ends first it is killed, with
// all of its process group.
func (c *Children) wait(ctx context.Context, kid *Child) unix.WaitStatus {
	select {
	case <-kid.ended:
	case <-ctx.Done():
		c.Signal(kid, unix.SIGKILL)
		<-kid.ended
	}
	return kid.status
}

// Signal sends a signal to a program's process group unless it has been reaped
// already.
func (c *Children) Signal(kid *Child, sig unix.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.living[kid.pid] == kid {
		_ = unix.Kill(-kid.pid, sig) // gone is as good as killed
	}
}

// Reap collects ended processes until Stop. Programs that outlive the one that
// started them come to this process from now on.
func (c *Children) Reap() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // process 1 has them anyway
	defer signal.Stop(c.signals)
	for {
		select {
		case <-c.signals:
			c.collect()
		case <-c.quit:
			return
		}
	}
}

// collect takes every zombie there is. What a program leaves running in its
// group ends with it: the request is over.
func (c *Children) collect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if pid <= 0 {
			return
		}
		kid, ok := c.living[pid]
		if !ok || !status.Exited() && !status.Signaled() {
			continue
		}
		_ = unix.Kill(-pid, unix.SIGKILL) // usually there is nobody left
		delete(c.living, pid)
		kid.status = status
		close(kid.ended)
	}
}

// Stop ends Reap. Every child has been waited for by then.
func (c *Children) Stop() { close(c.quit) }
