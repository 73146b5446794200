package httpcontract

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"rouse.dev/rouse/internal/wire"
)

// maxInterim is the largest number of 1xx responses before the final one.
const maxInterim = 32

// BadResponse is a response that breaks HTTP: the connection is of no use any
// more.
type BadResponse struct{ Reason string }

func (e *BadResponse) Error() string { return e.Reason }

// Exchange is one request and its response. It is reused: Begin starts the
// next. One goroutine owns it; an Upload runs beside it.
type Exchange struct {
	Response wire.Response // valid from Await until Accept
	Body     wire.Body     // from Accept on

	conn     *wire.Conn
	bodyless bool // the request was HEAD
	size     int  // bytes of Response's head
	interims int
	heard    bool // something of the response was read
	keep     bool // the instance keeps the connection open
}

// Begin starts an exchange on c. head says that the request's method is HEAD.
func (x *Exchange) Begin(c *wire.Conn, head bool) {
	x.conn, x.bodyless = c, head
	x.size, x.interims, x.heard, x.keep = 0, 0, false, false
	x.Body.Reset(c, wire.NoBody, 0)
}

// Await reads the next response head, at most limit bytes, into Response. An
// interim head (see wire.Response.Interim) is followed by another: call Skip,
// then Await again. The error is a *BadResponse, or what the connection said;
// io.ErrUnexpectedEOF if it ended before the head did.
func (x *Exchange) Await(limit int) error {
	x.Response.Reset()
	for {
		if b := x.conn.Buffered(); len(b) > 0 {
			x.heard = true
			n, err := x.Response.Parse(b, x.bodyless)
			if err != nil {
				return &BadResponse{err.Error()}
			}
			if n > limit {
				return tooLarge(limit)
			}
			if n > 0 {
				x.size = n
				return x.check()
			}
		}
		switch err := x.conn.Fill(limit); {
		case errors.Is(err, wire.ErrHeadTooLarge):
			return tooLarge(limit)
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
}

func tooLarge(limit int) error {
	return &BadResponse{fmt.Sprintf("response head larger than %d bytes", limit)}
}

// check refuses heads without end.
func (x *Exchange) check() error {
	if x.Response.Interim() {
		if x.interims++; x.interims > maxInterim {
			return &BadResponse{fmt.Sprintf("more than %d interim responses", maxInterim)}
		}
	}
	return nil
}

// Skip consumes an interim head.
func (x *Exchange) Skip() {
	x.conn.Discard(x.size)
	x.conn.Acknowledge()
}

// Accept consumes the final head and makes Body ready to read. Response's
// byte slices are void from here on.
func (x *Exchange) Accept() {
	r := &x.Response
	x.keep = r.Persistent() && r.Framing != wire.UntilClose && r.Status != 101
	x.conn.Discard(x.size)
	x.Body.Reset(x.conn, r.Framing, r.Length)
}

// Reusable reports whether the connection can carry another request: the
// response was read to its end, nothing follows it, and the instance said
// nothing to the contrary.
func (x *Exchange) Reusable() bool {
	return x.keep && x.Body.Done() && len(x.conn.Buffered()) == 0
}

// Sent is what of a request left for the instance before an error.
type Sent struct {
	Bytes int  // written
	Body  bool // the request has a body
	Safe  bool // acting twice is harmless (GET, HEAD …)
}

// Unheard reports whether err, from the write of a request or from Await, can
// only mean that the instance closed the kept-alive connection before it had
// the whole request, so that sending it again cannot make it act twice.
func (x *Exchange) Unheard(err error, sent Sent) bool {
	reset := errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
	switch {
	case x.heard:
		return false
	case sent.Bytes == 0:
		return reset
	case sent.Body:
		return false // it may have acted on the part it read
	case reset:
		return true // the kernel says so only if bytes we sent were not read
	}
	return sent.Safe && errors.Is(err, io.ErrUnexpectedEOF)
}
