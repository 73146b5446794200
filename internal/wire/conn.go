package wire

import (
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// BufferSize is the size in bytes of a connection's read buffer, as long as
// no larger head has to fit.
const BufferSize = 16 << 10

// buffers holds read buffers of exactly BufferSize bytes.
var buffers = sync.Pool{New: func() any { return new([BufferSize]byte) }}

// Conn is a connection with a read buffer. The buffer is borrowed while it
// holds bytes: a connection waiting for its peer's next message owns none.
//
// One goroutine at a time may read, one may write; Gone, SetDeadline and
// Close may be called from anywhere.
type Conn struct {
	net.Conn

	raw  syscall.RawConn       // nil if the connection is not a socket
	read func(fd uintptr) bool // readReady, bound once
	peek func(fd uintptr)      // peekReady, bound once
	ack  func(fd uintptr)      // acknowledge; nil if the connection is not TCP
	buf  []byte                // nil, or the read buffer
	pool *[BufferSize]byte     // what buf came from; nil if buf was allocated for a large head
	r, w int                   // buf[r:w] is unread
	err  error                 // result of readReady, owned by the reader

	peeks   sync.Mutex // one look at a time
	peekN   int        // result of peekReady, guarded by peeks
	peekErr error      // likewise
}

// NewConn returns a Conn that reads from and writes to nc.
func NewConn(nc net.Conn) *Conn {
	c := &Conn{Conn: nc}
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			c.raw, c.read, c.peek = raw, c.readReady, c.peekReady
			if _, tcp := nc.(*net.TCPConn); tcp {
				c.ack = acknowledge
			}
		}
	}
	return c
}

// Buffered returns the bytes read and not yet consumed. They are valid until
// the next call of Fill, Discard or Read.
func (c *Conn) Buffered() []byte { return c.buf[c.r:c.w] }

// Discard consumes the first n buffered bytes and gives the buffer back if
// none are left.
func (c *Conn) Discard(n int) {
	c.r += n
	if c.r >= c.w {
		c.release()
	}
}

// Fill waits for more bytes and adds them to the buffer, which grows up to
// limit bytes. It returns ErrHeadTooLarge if limit unconsumed bytes are
// there already, io.EOF at the end.
func (c *Conn) Fill(limit int) error {
	if c.w-c.r >= limit {
		return ErrHeadTooLarge
	}
	if c.buf != nil && c.w == len(c.buf) {
		c.makeRoom()
	}
	if c.raw == nil {
		return c.fillPlain()
	}
	if c.r < c.w {
		c.Acknowledge()
	}
	c.err = nil
	if err := c.raw.Read(c.read); err != nil {
		c.releaseIfEmpty()
		return err
	}
	return c.err
}

// makeRoom moves the unread bytes to the front, or to a buffer twice as large.
func (c *Conn) makeRoom() {
	n := c.w - c.r
	if c.r > 0 && n <= len(c.buf)/2 {
		copy(c.buf, c.buf[c.r:c.w])
		c.r, c.w = 0, n
		return
	}
	grown := make([]byte, max(2*len(c.buf), BufferSize))
	copy(grown, c.buf[c.r:c.w])
	c.release()
	c.buf, c.r, c.w = grown, 0, n
}

// fillPlain is Fill for connections that are not sockets.
func (c *Conn) fillPlain() error {
	c.borrow()
	n, err := c.Conn.Read(c.buf[c.w:])
	c.w += n
	c.releaseIfEmpty()
	if n > 0 {
		return nil
	}
	return err
}

// readReady is called by the runtime's poller each time the socket may be
// readable. It returns false to wait, and then holds no buffer needlessly.
func (c *Conn) readReady(fd uintptr) bool {
	c.borrow()
	n, err := read(int(fd), c.buf[c.w:])
	switch {
	case n > 0:
		c.w += n
		return true
	case err == unix.EAGAIN:
		c.releaseIfEmpty()
		return false
	case err == nil:
		err = io.EOF
	}
	c.err = err
	c.releaseIfEmpty()
	return true
}

// read is read(2), again if a signal came first.
func read(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// Read consumes buffered bytes first, then reads from the connection itself.
func (c *Conn) Read(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.Discard(n)
		return n, nil
	}
	c.Acknowledge()
	return c.Conn.Read(p)
}

// Acknowledge tells a TCP peer now what has arrived. It is for waits within a
// message, and done by Read, and by Fill if there are bytes already: many a
// program sends head and body apart without TCP_NODELAY, holds the body back
// until the head is acknowledged, and would wait 40 ms for the kernel to do it.
// Between messages there is no need: the answer carries it.
func (c *Conn) Acknowledge() {
	if c.ack != nil {
		_ = c.raw.Control(c.ack) // costs time only if it fails
	}
}

func acknowledge(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }

// Gone reports whether the peer has closed its side and nothing it sent is
// left to read. It does not block and consumes nothing. Connections that are
// not sockets may answer with a method PeerClosed.
func (c *Conn) Gone() bool {
	if c.raw == nil {
		p, ok := c.Conn.(interface{ PeerClosed() bool })
		return ok && p.PeerClosed()
	}
	n, err := c.look()
	return n == 0 && err != unix.EAGAIN && err != unix.EINTR
}

// Stale reports whether a connection that ought to be idle cannot carry
// another request: its peer closed it, or sent bytes nobody asked for.
func (c *Conn) Stale() bool {
	if c.r < c.w {
		return true
	}
	if c.raw == nil {
		return c.Gone()
	}
	_, err := c.look()
	return err != unix.EAGAIN
}

// look returns what a read of one byte would.
func (c *Conn) look() (n int, err error) {
	c.peeks.Lock()
	defer c.peeks.Unlock()
	if err := c.raw.Control(c.peek); err != nil {
		return 0, err
	}
	return c.peekN, c.peekErr
}

func (c *Conn) peekReady(fd uintptr) {
	var b [1]byte
	c.peekN, _, c.peekErr = unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	c.peekN = max(c.peekN, 0)
}

func (c *Conn) borrow() {
	if c.buf == nil {
		c.pool = buffers.Get().(*[BufferSize]byte)
		c.buf, c.r, c.w = c.pool[:], 0, 0
	}
}

func (c *Conn) release() {
	if c.pool != nil {
		buffers.Put(c.pool)
	}
	c.buf, c.pool, c.r, c.w = nil, nil, 0, 0
}

func (c *Conn) releaseIfEmpty() {
	if c.r >= c.w {
		c.release()
	}
}
