package gateway

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	httpcontract "rouse.dev/rouse/internal/contract/http"
	"rouse.dev/rouse/internal/wire"
)

const (
	lingerTime  = 500 * time.Millisecond // for a client to read our last words before the connection goes
	lingerBytes = 1 << 20                // of what it may still send meanwhile
	refuseTime  = 5 * time.Second        // to write an error of ours
)

// connState is what a client connection is doing.
type connState int32

const (
	idle    connState = iota // waits for a request
	reading                  // has part of a head
	busy                     // serves a call
	closed                   // was closed from outside while idle
	handed                   // belongs to net/http
)

// conn is a client connection, one call after the other. One goroutine owns
// it; state, since and cutoff are shared with the sweeper.
type conn struct {
	s    *Server
	wc   *wire.Conn
	from origin

	state  atomic.Int32 // connState
	since  atomic.Int64 // when state was entered, on the server's clock
	cutoff atomic.Bool  // cut was called: deadlines are in the past
	guard  atomic.Pointer[guard]

	source  wire.Body // of the request in hand
	head    int       // bytes of its head that are still in the buffer
	waits   bool      // the client waits for "100 Continue"
	old     bool      // it speaks HTTP/1.0
	closing bool      // close after this response
	linger  bool      // and wait for the client to have read it
}

// serve serves the connection until it ends, or belongs to net/http.
func (c *conn) serve(ctx context.Context) {
	for c.next() && c.one(ctx) {
	}
	if connState(c.state.Load()) == handed {
		return
	}
	if c.linger {
		c.wait()
	}
	_ = c.wc.Close()
	c.s.conns.remove(c)
}

// next waits for the first bytes of a request.
func (c *conn) next() bool {
	if len(c.wc.Buffered()) == 0 {
		c.since.Store(c.s.now())
		c.state.Store(int32(idle))
		if c.s.draining.Load() || c.wc.Fill(c.s.cfg.MaxHead) != nil ||
			!c.state.CompareAndSwap(int32(idle), int32(reading)) {
			return false
		}
	} else {
		c.state.Store(int32(reading))
	}
	c.since.Store(c.s.now())
	return true
}

// one serves one request. It reports whether another may follow.
func (c *conn) one(ctx context.Context) (again bool) {
	x := c.s.calls.Get().(*call)
	defer func() {
		if bug := recover(); bug != nil {
			x.rescue(bug)
			c.guard.Store(nil)
			c.abort()
			again = false
			return
		}
		x.client = nil
		c.s.calls.Put(x)
	}()
	x.client = c
	n, err := c.readHead(&x.req)
	switch {
	case err != nil && wire.Preface(c.wc.Buffered()):
		return c.handOver()
	case err != nil:
		c.badHead(x, err)
		return false
	case x.req.Target[0] != '/':
		return c.handOver()
	}
	var ours, bad bool
	if x.target, ours, bad = c.s.resolve(x.req.Host, x.req.Target); !ours {
		return c.handOver()
	}
	c.prepare(&x.req, n)
	x.begin(c.since.Load(), bad)
	c.guard.Store(&x.guard)
	c.state.Store(int32(busy))
	x.run(ctx)
	c.guard.Store(nil)
	c.takeHead()
	return c.again()
}

// readHead reads a request head and returns its length.
func (c *conn) readHead(r *wire.Request) (int, error) {
	r.Reset()
	for {
		n, err := r.Parse(c.wc.Buffered())
		if n > 0 || err != nil {
			if n > c.s.cfg.MaxHead {
				return 0, wire.ErrHeadTooLarge
			}
			return n, err
		}
		if err := c.wc.Fill(c.s.cfg.MaxHead); err != nil {
			return 0, err
		}
	}
}

// prepare takes in what the request says about the connection.
func (c *conn) prepare(r *wire.Request, n int) {
	c.head = n
	c.source.Reset(c.wc, r.Framing, r.Length)
	c.waits, c.old = r.Continue && r.Framing != wire.NoBody, r.Minor == 0
	c.closing = !r.Persistent() || c.s.draining.Load()
}

// again reports whether the connection can carry another request.
func (c *conn) again() bool {
	if !c.source.Done() {
		c.closing, c.linger = true, true
	}
	return !c.closing && !c.cutoff.Load()
}

// handOver gives the connection, with what was read, to net/http.
func (c *conn) handOver() bool {
	c.state.Store(int32(handed))
	c.s.handover.give(&handedConn{Conn: c.wc, c: c})
	return false
}

// takeHead consumes the request's head, once.
func (c *conn) takeHead() {
	c.wc.Discard(c.head)
	c.head = 0
}

// drop discards what is left of the request's body if that needs no waiting,
// and reports whether the next request can follow.
func (c *conn) drop() bool {
	c.takeHead()
	var waste [512]byte
	for !c.source.Done() && c.source.Ready() {
		if _, err := c.source.Read(waste[:]); err != nil && err != io.EOF {
			return false
		}
	}
	return c.source.Done()
}

// wait lets the client read our last words: closing with bytes of it unread
// would reset the connection under them.
func (c *conn) wait() {
	if w, ok := c.wc.Conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	_ = c.wc.SetDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, c.wc, lingerBytes)
}

func (c *conn) origin() *origin           { return &c.from }
func (c *conn) body() httpcontract.Source { return &c.source }
func (c *conn) received() int64           { return c.source.Count() }
func (c *conn) gone() bool                { return c.wc.Gone() }

func (c *conn) cut() {
	c.cutoff.Store(true)
	_ = c.wc.SetDeadline(past)
}

func (c *conn) proceed() error {
	c.takeHead()
	if !c.waits || len(c.wc.Buffered()) > 0 {
		return nil
	}
	c.waits = false
	_, err := io.WriteString(c.wc.Conn, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

// abort makes the end of the connection one that no client takes for the end
// of the response.
func (c *conn) abort() {
	c.closing = true
	if t, ok := c.wc.Conn.(*net.TCPConn); ok && c.old {
		_ = t.SetLinger(0) // an HTTP/1.0 body ends with the connection: reset it
	}
	c.linger = false
	c.source.Reset(c.wc, wire.NoBody, 0)
	c.cutoff.Store(true)
}

// newOrigin takes down what is known of a client.
func newOrigin(s *Server, addr net.Addr) origin {
	o := origin{scheme: "http"}
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return o
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	o.peer = ip.AppendTo(nil)
	for _, p := range s.cfg.Trusted {
		if p.Contains(ip) {
			o.trusted = true
		}
	}
	return o
}

var _ client = (*conn)(nil)
