package gateway

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// refuse sends the platform's own answer.
func (c *conn) refuse(x *call, f *fn.Failure) {
	c.send(x, x.refusal(f, x.inv.Status), x.isHead)
}

func (c *conn) send(x *call, r refusal, bodyless bool) {
	if !c.drop() {
		c.closing, c.linger = true, true
	}
	if c.cutoff.Load() {
		c.closing = true
	}
	// Nobody watches over this write: the call is over.
	_ = c.wc.SetDeadline(time.Now().Add(refuseTime))
	b := appendStatus(nil, r.status, []byte(http.StatusText(r.status)))
	for _, f := range r.fields {
		b = wire.AppendField(b, []byte(f[0]), []byte(f[1]))
	}
	b = append(b, "Content-Length: "...)
	b = wire.AppendInt(b, int64(len(r.body)))
	b = append(b, "\r\nDate: "...)
	b = append(b, x.s.date(x.s.now())...)
	b = append(b, "\r\n"...)
	b = append(c.appendConnection(b), "\r\n"...)
	if !bodyless {
		b = append(b, r.body...)
	}
	if c.write(b) != nil {
		c.closing, c.linger = true, false
	}
	_ = c.wc.SetDeadline(time.Time{})
}

// badHead answers a request whose head cannot be read.
func (c *conn) badHead(x *call, err error) {
	f := &fn.Failure{Kind: fn.Invalid, Phase: fn.PhaseRoute, Cause: "bad-request"}
	status := 400
	switch bad, ok := errors.AsType[*wire.SyntaxError](err); {
	case ok:
		status, f.Message = bad.Status, "the request is not what HTTP/1.1 allows: "+bad.Message
	case errors.Is(err, wire.ErrHeadTooLarge):
		status = 431
		if bytes.IndexByte(c.wc.Buffered(), '\n') < 0 {
			status = 414
		}
		f.Kind, f.Message = fn.TooLarge, "the head of the request is too large"
	default:
		return // the client left, or was too slow
	}
	x.begin(c.since.Load(), false)
	c.old, c.closing, c.linger = false, true, true
	c.head = len(c.wc.Buffered())
	c.source.Reset(c.wc, wire.NoBody, 0)
	c.send(x, x.refusal(f, status), false)
}
