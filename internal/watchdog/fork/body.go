package fork

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Body is a request's body as the input of a program, whose output may begin
// before the input ends and end before the input does.
type Body struct {
	r     *http.Request
	rc    *http.ResponseController
	whole atomic.Bool // read to its end
}

// NewBody takes over the reading of a request.
func NewBody(w http.ResponseWriter, r *http.Request) *Body {
	b := &Body{r: r, rc: http.NewResponseController(w)}
	_ = b.rc.EnableFullDuplex() // HTTP/1.0 cannot
	return b
}

// Read reads the body.
func (b *Body) Read(p []byte) (int, error) {
	n, err := b.r.Body.Read(p)
	if errors.Is(err, io.EOF) {
		b.whole.Store(true)
	}
	return n, err
}

// unread reports whether there may be something left to read.
func (b *Body) unread() bool { return b.r.ContentLength != 0 && !b.whole.Load() }

// Settle comes before the response's head. A connection whose request has not
// been read to its end is not used again: net/http could take the rest for
// the next request.
func (b *Body) Settle(h http.Header) {
	if b.unread() {
		h.Set("Connection", "close")
	}
}

// Interrupt ends a Read that waits. It costs the connection, whose rest nobody
// wants.
func (b *Body) Interrupt() {
	if b.unread() {
		_ = b.rc.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed one
	}
}
