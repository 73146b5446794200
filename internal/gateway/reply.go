package gateway

import (
	"io"
	"net"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// spliceFrom is the number of bytes left from which a body of known length is
// moved by the kernel alone.
const spliceFrom = 256 << 10

// relayRoom is the room in the buffer behind a head from which it pays to
// send the beginning of the body along with it.
const relayRoom = 4 << 10

// inform passes an interim response on. HTTP/1.0 clients do not know them.
func (c *conn) inform(x *call) error {
	if c.old {
		return nil
	}
	r := &x.ex.Response
	b := appendStatus(nil, r.Status, r.Reason)
	b = appendFields(b, r)
	b = append(b, "\r\n"...)
	_, err := c.wc.Write(b)
	return err
}

// reply passes the final response on: the head together with what is there of
// the body, then each piece as it comes.
func (c *conn) reply(x *call) error {
	r := &x.ex.Response
	chunked := r.Framing == wire.Chunked || r.Framing == wire.UntilClose
	if chunked && c.old {
		chunked, c.closing = false, true
	}
	head := c.appendReply(x.buf[:0], x, chunked)
	x.ex.Accept()
	n, body := len(head), &x.ex.Body
	if body.Done() || !body.Ready() || n > len(x.buf)-relayRoom {
		if err := c.write(head); err != nil {
			return err
		}
		n = 0
	}
	return c.relay(x, n, chunked)
}

// relay copies the body, behind the first n bytes of the call's buffer.
func (c *conn) relay(x *call, n int, chunked bool) error {
	const lastChunk = 5 // "0" CRLF CRLF
	body, buf := &x.ex.Body, x.buf[:]
	for !body.Done() {
		if n == 0 && body.Left() >= spliceFrom && len(x.slot.Conn.Buffered()) == 0 {
			if tcp, ok := c.wc.Conn.(*net.TCPConn); ok {
				return c.splice(x, tcp)
			}
		}
		at, end := n, len(buf)
		if chunked {
			at, end = n+wire.ChunkBefore, end-wire.ChunkAfter-lastChunk
		}
		m, err := body.Read(buf[at:end])
		x.inv.Out += int64(m)
		out := buf[:n+m]
		if chunked {
			out = buf[:n]
			if m > 0 {
				start, stop := wire.PutChunk(buf, at, m)
				out = buf[:n+copy(buf[n:], buf[start:stop])]
			}
			if body.Done() {
				out = wire.AppendLastChunk(out, body.Trailers())
			}
		}
		if err == io.EOF {
			err = nil
		}
		if werr := c.write(out); werr != nil {
			return werr
		}
		if err != nil {
			return err
		}
		n = 0
	}
	return nil
}

// splice lets the kernel move the rest of a body of known length.
func (c *conn) splice(x *call, tcp *net.TCPConn) error {
	body := &x.ex.Body
	n, err := tcp.ReadFrom(&io.LimitedReader{R: x.slot.Conn.Conn, N: body.Left()})
	body.Skip(n)
	x.inv.Out += n
	switch {
	case body.Done():
		return nil
	case err == nil:
		return io.ErrUnexpectedEOF
	case c.wc.Gone():
		return &clientError{err}
	}
	return err
}

// write writes to the client.
func (c *conn) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := c.wc.Write(b); err != nil {
		return &clientError{err}
	}
	return nil
}

// appendReply appends the head the client gets.
func (c *conn) appendReply(b []byte, x *call, chunked bool) []byte {
	r := &x.ex.Response
	b = appendStatus(b, r.Status, r.Reason)
	b = appendFields(b, r)
	switch {
	case chunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case r.Length >= 0 && r.Status != 204:
		b = append(b, "Content-Length: "...)
		b = wire.AppendInt(b, r.Length)
		b = append(b, "\r\n"...)
	}
	b = c.appendConnection(b)
	b = x.appendIdentity(b)
	if !has(r, servedByField) {
		b = append(b, "X-Served-By: "...)
		b = append(b, x.s.cfg.Product...)
		b = append(b, "\r\n"...)
	}
	if x.inv.Kind != fn.Warm {
		b = append(b, "X-Rouse-Start: "...)
		b = append(b, x.inv.Kind.String()...)
		b = append(b, ';')
		b = appendTiming(b, &x.inv.Timing)
		b = append(b, "\r\n"...)
	}
	if !hasDate(r) {
		b = append(b, "Date: "...)
		b = append(b, x.s.date(x.replyN)...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// appendConnection says whether the connection stays open, if the client
// would think otherwise.
func (c *conn) appendConnection(b []byte) []byte {
	if c.s.draining.Load() {
		c.closing = true
	}
	switch {
	case c.closing:
		return append(b, "Connection: close\r\n"...)
	case c.old:
		return append(b, "Connection: keep-alive\r\n"...)
	}
	return b
}

// appendStatus appends a status line.
func appendStatus(b []byte, status int, reason []byte) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = wire.AppendInt(b, int64(status))
	b = append(b, ' ')
	b = append(b, reason...)
	return append(b, "\r\n"...)
}

// appendFields appends the response's fields that concern the client: all but
// hop-by-hop ones, the length, and those only the platform may send.
func appendFields(b []byte, r *wire.Response) []byte {
	for i := range r.Fields {
		if f := &r.Fields[i]; passes(r, f) {
			b = wire.AppendField(b, f.Name, f.Value)
		}
	}
	return b
}

// passes reports whether a field of an instance's response goes to the client.
func passes(r *wire.Response, f *wire.Field) bool {
	if f.ID == wire.ContentLength || r.Hop(f) {
		return false
	}
	return f.ID != wire.Other || !platformField(f.Name)
}

// platformField reports whether name is X-Call-Id, X-Start-Time or X-Rouse-*.
func platformField(name []byte) bool {
	return len(name) > 8 && name[0]|0x20 == 'x' &&
		(wire.HasPrefixFold(name, "x-rouse-") || wire.EqualFold(name, callIDField) || wire.EqualFold(name, startTimeField))
}

// has reports whether a response has a field, by its name in lower case.
func has(r *wire.Response, name string) bool {
	for i := range r.Fields {
		if wire.EqualFold(r.Fields[i].Name, name) {
			return true
		}
	}
	return false
}

func hasDate(r *wire.Response) bool {
	for i := range r.Fields {
		if r.Fields[i].ID == wire.Date {
			return true
		}
	}
	return false
}
