package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// Dial opens a TCP connection to a port on the sandbox's own loopback: IPv4,
// or IPv6 if nothing listens there. While nothing listens on either, the
// error wraps ECONNREFUSED. The result is a *net.TCPConn.
func (n *Netns) Dial(ctx context.Context, port int) (net.Conn, error) {
	c, err := n.dial(ctx, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}, unix.AF_INET)
	if err != nil && errors.Is(err, unix.ECONNREFUSED) && n.m.ipv6 {
		six, e := n.dial(ctx, &unix.SockaddrInet6{Port: port, Addr: [16]byte{15: 1}}, unix.AF_INET6)
		if e == nil {
			return six, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("connecting to port %d of a sandbox: %w", port, err)
	}
	return c, nil
}

func (n *Netns) dial(ctx context.Context, to unix.Sockaddr, family int) (net.Conn, error) {
	fd, err := n.socket(family)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "sandbox") // non-blocking, so the poller takes it
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := connect(ctx, f, raw, to); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

// socket makes a socket that belongs to the namespace, whoever uses it.
func (n *Netns) socket(family int) (int, error) {
	if !n.m.enter() {
		return -1, errClosed()
	}
	defer n.m.users.Done()
	n.mu.RLock()
	defer n.mu.RUnlock()
	fd := -1
	open := func() (err error) {
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	}
	switch {
	case n.m.home < 0: // it lives in the host's network
		err := open()
		return fd, err
	case n.fd < 0:
		return -1, fn.Errorf(fn.Unavailable, "its network is gone: %w", net.ErrClosed)
	}
	err := within(n.m.home, n.fd, open)
	return fd, err
}

// connect connects and waits until it is done, refused or ctx ends.
func past() time.Time { return time.Unix(1, 0) }

func connect(ctx context.Context, f *os.File, raw syscall.RawConn, to unix.Sockaddr) error {
	var err error
	if e := raw.Control(func(fd uintptr) { err = unix.Connect(int(fd), to) }); e != nil {
		return e
	}
	if err == nil || !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(past()) })
	defer stop()
	err = unix.EINPROGRESS
	e := raw.Write(func(fd uintptr) bool {
		err = connected(int(fd))
		return !errors.Is(err, unix.EINPROGRESS)
	})
	if e != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(e, err)
}

// connected returns nil once fd is connected, EINPROGRESS until then.
func connected(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if code != 0 {
		return unix.Errno(code)
	}
	if _, err := unix.Getpeername(fd); err != nil {
		return unix.EINPROGRESS
	}
	return nil
}
