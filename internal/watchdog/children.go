package watchdog

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// children starts processes and reaps every one there is: also those that
// our programs left behind and that process 1 inherits.
type children struct {
	mu     sync.Mutex
	living map[int]*child // by pid; guarded by mu

	signals chan os.Signal
	quit    chan struct{}
}

// child is a program at work; its pid is also its process group.
type child struct {
	pid    int
	ended  chan struct{} // closed by reap
	status unix.WaitStatus
}

func newChildren() *children {
	c := &children{living: map[int]*child{}, signals: make(chan os.Signal, 1), quit: make(chan struct{})}
	signal.Notify(c.signals, unix.SIGCHLD)
	return c
}

// start runs a program in a process group of its own. The lock is held over
// the fork so that reap cannot see a child that is not yet known.
func (c *children) start(program string, argv, env []string, files []uintptr) (*child, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pid, err := syscall.ForkExec(program, argv, &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, err
	}
	kid := &child{pid: pid, ended: make(chan struct{})}
	c.living[pid] = kid
	return kid, nil
}

// wait returns how the program ended; when ctx ends first it is killed, with
// all of its process group.
func (c *children) wait(ctx context.Context, kid *child) unix.WaitStatus {
	select {
	case <-kid.ended:
	case <-ctx.Done():
		c.kill(kid)
		<-kid.ended
	}
	return kid.status
}

// kill ends a program's process group unless it has been reaped already.
func (c *children) kill(kid *child) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.living[kid.pid] == kid {
		_ = unix.Kill(-kid.pid, unix.SIGKILL) // gone is as good as killed
	}
}

// reap collects ended processes until stop.
func (c *children) reap() {
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
func (c *children) collect() {
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

// stop ends reap. Every child has been waited for by then.
func (c *children) stop() { close(c.quit) }
