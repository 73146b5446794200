package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine/process/launch"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// backlog is how many connections wait for a program to accept them; the
// kernel caps it at net.core.somaxconn.
const backlog = 4096

// listenUnix makes a listening socket and a descriptor that names it. The
// name is removed from its folder at once: from then on there is nothing to
// find, to connect to or to clean up but what holds the descriptors.
func listenUnix(dir int, id string) (listener, name int, err error) {
	listener, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, err
	}
	// By way of the descriptor the path is short enough whatever the folder's
	// own is, and tells the program nothing about it.
	err = unix.Bind(listener, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir, id)})
	if err == nil {
		err = unix.Listen(listener, backlog)
	}
	name = -1
	if err == nil {
		name, err = unix.Openat(dir, id, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		err = errors.Join(err, unix.Unlinkat(dir, id, 0))
	}
	if err != nil {
		_ = unix.Close(listener)
		if name >= 0 {
			_ = unix.Close(name)
		}
		return -1, -1, err
	}
	return listener, name, nil
}

// Dial implements engine.Instance.
func (i *instance) Dial(ctx context.Context) (net.Conn, error) {
	i.handles.RLock() // keeps descriptors from being closed, and reused, meanwhile
	defer i.handles.RUnlock()
	if i.released {
		return nil, fn.Errorf(fn.Unavailable, "connecting to %s: it has ended", i.id)
	}
	conn, err := i.dial(ctx)
	if err != nil {
		return nil, i.dialError(err)
	}
	return conn, nil
}

func (i *instance) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	switch {
	case i.listen == fn.ListenSocket:
		return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d", i.socket))
	case i.listen != fn.ListenPort:
		return nil, errors.New("the program takes no calls")
	case i.level == plan.Landlock:
		return d.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", i.port))
	case i.net != nil && i.net.FD() >= 0:
		return i.net.Dial(ctx, i.port)
	}
	return i.dialInside(ctx)
}

// dialInside connects from within the sandbox's own network: a helper child
// that shares our descriptors makes the socket there.
func (i *instance) dialInside(ctx context.Context) (net.Conn, error) {
	p, slot := plan.Socket(i.pidfd, i.level == plan.User)
	linked := p.Link()
	err := i.e.forkers.Run(ctx, &launch.Request{Flags: p.Flags, Cgroup: -1, Ops: linked.Ops, Keep: linked})
	if err != nil {
		return nil, explain(p, err)
	}
	fd := int(linked.Slot(slot))
	// The interface is loopback: this succeeds or fails, it does not wait.
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: i.port, Addr: [4]byte{127, 0, 0, 1}})
	if err == unix.EINPROGRESS {
		err = awaitConnect(ctx, fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	return net.FileConn(f)
}

// awaitConnect waits for a connect in progress.
func awaitConnect(ctx context.Context, fd int) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 10)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n > 0 {
			code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
			if err != nil {
				return err
			}
			if code != 0 {
				return syscall.Errno(code)
			}
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// dialError gives a failed connection its kind.
func (i *instance) dialError(err error) error {
	kind := fn.Unavailable
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		kind = fn.Timeout
	case errors.Is(err, context.Canceled):
		kind = fn.Canceled
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		kind = fn.Exhausted // the backlog, or we, are full
	}
	return fn.Errorf(kind, "connecting to %s: %w", i.id, err)
}

// owner is the uid a file belongs to.
func owner(fi fs.FileInfo) int { return int(fi.Sys().(*syscall.Stat_t).Uid) }
