package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is the number of bytes one direction holds before Write waits.
const window = 64 << 10

// Conn is one end of a connection.
type Conn struct {
	in, out *half
}

// Pipe returns the two ends of a new connection.
func Pipe() (*Conn, *Conn) {
	a, b := newHalf(), newHalf()
	return &Conn{in: a, out: b}, &Conn{in: b, out: a}
}

// half is one direction. Deadlines belong to the ends: of the reader, of the
// writer.
type half struct {
	mu     sync.Mutex
	cond   sync.Cond // on mu: anything below changed
	data   []byte    // written and not yet read
	ended  bool      // the writer closed: EOF after data
	broken bool      // the reader closed: writes fail
	read   deadline
	write  deadline
}

func newHalf() *half {
	h := &half{}
	h.cond.L = &h.mu
	return h
}

// deadline is guarded by its half's mu.
type deadline struct {
	timer  *time.Timer
	serial int // of the last set: an older timer that fires late does nothing
	passed bool
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.broken:
			return 0, net.ErrClosed
		case h.read.passed:
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0 || len(p) == 0:
			n := copy(p, h.data)
			h.data = h.data[n:]
			h.cond.Broadcast()
			return n, nil
		case h.ended:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (n int, err error) {
	h := c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.ended:
			return n, net.ErrClosed
		case h.broken:
			return n, syscall.EPIPE
		case h.write.passed:
			return n, os.ErrDeadlineExceeded
		case len(p) == 0:
			return n, nil
		}
		if room := window - len(h.data); room > 0 {
			m := min(room, len(p))
			h.data = append(h.data, p[:m]...)
			n, p = n+m, p[m:]
			h.cond.Broadcast()
			continue
		}
		h.cond.Wait()
	}
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.in.mu.Lock()
	c.in.broken, c.in.data = true, nil
	c.in.read.stop()
	c.in.cond.Broadcast()
	c.in.mu.Unlock()
	return c.CloseWrite()
}

// CloseWrite tells the peer that nothing more comes.
func (c *Conn) CloseWrite() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.ended = true
	c.out.write.stop()
	c.out.cond.Broadcast()
	return nil
}

// PeerClosed reports whether the peer has closed and all it sent was read.
func (c *Conn) PeerClosed() bool {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.ended && len(c.in.data) == 0
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.set(&c.in.read, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.set(&c.out.write, t)
	return nil
}

func (h *half) set(d *deadline, t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d.stop()
	d.serial++
	serial := d.serial
	d.passed = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !d.passed {
		d.timer = time.AfterFunc(time.Until(t), func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if d.serial == serial {
				d.passed = true
				h.cond.Broadcast()
			}
		})
	}
	h.cond.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

var _ net.Conn = (*Conn)(nil)
