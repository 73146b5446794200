package gateway

import (
	"math/rand/v2"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// Names of fields that go both ways, in lower case.
const (
	callIDField    = "x-call-id"
	startTimeField = "x-start-time"
	servedByField  = "x-served-by"
)

// maxLabel is the longest X-Call-Id of a caller that is kept.
const maxLabel = 128

// label is what X-Call-Id says of a call: its id, unless the caller has sent
// one of its own that is not of our form.
type label struct {
	text [maxLabel]byte
	n    int
}

func (l *label) bytes() []byte { return l.text[:l.n] }

// identify gives the call its id: the caller's if it has sent one. A caller
// can thereby make two calls look like one, in what is told of its own calls.
func (x *call) identify(wall time.Time) {
	sent := x.sentID()
	id, ok := fn.ParseCallID(sent)
	if !ok {
		id = fn.MakeCallID(uint64(wall.UnixMilli()), rand.Uint64(), rand.Uint64())
	}
	x.inv.ID = id
	if !ok && keepsLabel(sent) {
		x.label.n = copy(x.label.text[:], sent)
		return
	}
	x.label.n = len(id.AppendTo(x.label.text[:0]))
}

// sentID is the caller's X-Call-Id; nil if it has sent none, or several.
func (x *call) sentID() []byte {
	var id []byte
	for i := range x.req.Fields {
		f := &x.req.Fields[i]
		if f.ID != wire.Other || len(f.Name) != len(callIDField) || !wire.EqualFold(f.Name, callIDField) {
			continue
		}
		if id != nil {
			return nil
		}
		id = f.Value
	}
	return id
}

// keepsLabel reports whether a caller's id can be kept: it is going to stand
// in headers, variables and log lines.
func keepsLabel(id []byte) bool {
	if len(id) == 0 || len(id) > maxLabel {
		return false
	}
	for _, c := range id {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=':
		default:
			return false
		}
	}
	return true
}

// appendIdentity appends the fields that tell function and caller which call
// this is, and when it arrived.
func (x *call) appendIdentity(b []byte) []byte {
	b = append(b, "X-Call-Id: "...)
	b = append(b, x.label.bytes()...)
	b = append(b, "\r\nX-Start-Time: "...)
	b = wire.AppendInt(b, x.inv.Began.UnixNano())
	return append(b, "\r\n"...)
}
