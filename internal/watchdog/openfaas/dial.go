package openfaas

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// dial connects to the function's server.
func dial(ctx context.Context, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		c.Close()
		return nil, err
	}
	return &promptConn{Conn: c, raw: raw}, nil
}

// promptConn acknowledges what it reads at once. Many a server sends head and
// body apart without TCP_NODELAY: it holds the body back until the head is
// acknowledged, and an acknowledgement left to the kernel takes 40 ms.
type promptConn struct {
	net.Conn
	raw syscall.RawConn
}

func (c *promptConn) Read(p []byte) (int, error) {
	_ = c.raw.Control(acknowledge) // the kernel forgets it again; costs time only if it fails
	return c.Conn.Read(p)
}

func acknowledge(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }
