package gateway

import (
	"io"
	"net"
	"time"

	"rouse.dev/rouse/internal/wire"
)

// tunnelLinger is how long one direction of a tunnel may go on after the
// other has ended.
const tunnelLinger = 10 * time.Second

// appendSwitch appends the head of a 101 response.
func (x *call) appendSwitch(b []byte) []byte {
	r := &x.ex.Response
	b = appendStatus(b, r.Status, r.Reason)
	b = appendFields(b, r)
	b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
	b = append(b, r.Upgrade...)
	b = append(b, "\r\n"...)
	b = x.appendIdentity(b)
	return append(b, "\r\n"...)
}

// tunnel passes a 101 response on, then bytes both ways.
func (c *conn) tunnel(x *call) error {
	c.closing = true
	c.takeHead()
	head := x.appendSwitch(x.buf[:0])
	x.ex.Accept()
	if err := c.write(head); err != nil {
		return err
	}
	return x.pipe(c.wc)
}

// pipe copies bytes between client and instance until both directions have
// ended: each end is passed on.
func (x *call) pipe(client *wire.Conn) error {
	inst := x.slot.Conn
	up := make(chan error, 1)
	x.s.tasks.Go(func() {
		n, err := flow(inst, client)
		x.inv.In += n
		up <- err
	})
	n, err := flow(client, inst)
	if err != nil {
		_ = inst.SetDeadline(past)
		_ = client.SetDeadline(past)
	}
	uerr := <-up
	x.inv.Out += n
	if err == nil {
		err = uerr
	}
	if x.guard.why() != nil {
		return err
	}
	return nil // however it ended: there is nobody left to tell
}

// flow copies src to dst until src ends, then tells dst so. What src had
// buffered goes first; the rest is the kernel's work where both are sockets.
func flow(dst, src *wire.Conn) (n int64, err error) {
	if b := src.Buffered(); len(b) > 0 {
		m, err := dst.Write(b)
		n = int64(m)
		if err != nil {
			return n, err
		}
		src.Discard(len(b))
	}
	m, err := io.Copy(dst.Conn, src.Conn)
	n += m
	if err != nil {
		_ = dst.SetDeadline(past) // both directions are lost
		_ = src.SetDeadline(past)
		return n, err
	}
	if w, ok := dst.Conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	_ = dst.SetReadDeadline(time.Now().Add(tunnelLinger))
	return n, nil
}

// handover is the listener net/http serves: the connections that are not ours.
type handover struct {
	conns  chan *handedConn
	closed chan struct{}
}

func newHandover() *handover {
	return &handover{conns: make(chan *handedConn), closed: make(chan struct{})}
}

// give passes a connection on, or closes it if nobody takes it any more.
func (h *handover) give(c *handedConn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It is called once, by net/http.
func (h *handover) Close() error {
	close(h.closed)
	return nil
}

// Addr implements net.Listener.
func (h *handover) Addr() net.Addr { return &net.UnixAddr{Name: "gateway", Net: "unix"} }

// handedConn is a connection in net/http's hands.
type handedConn struct {
	*wire.Conn
	c *conn
}

// Close closes the connection and forgets it.
func (h *handedConn) Close() error {
	h.c.s.conns.remove(h.c)
	return h.Conn.Close()
}
