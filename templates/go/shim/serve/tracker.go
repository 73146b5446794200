//go:build go1.23

package serve

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
)

// maxHeld is the largest rest of a request body that is held in memory so
// that a response can begin before it was read.
const maxHeld = 64 << 10

// tracker remembers whether a response has begun, and lets it begin while the
// request's body still comes in.
type tracker struct {
	http.ResponseWriter
	body  *body
	began bool
}

// begin comes before the first byte of a response. Without it net/http would
// throw the unread body away. A connection that carries both at once is not
// used again: where its request ends is known too late.
func (t *tracker) begin() {
	if t.began {
		return
	}
	t.began = true
	if t.body.hold() {
		return
	}
	if http.NewResponseController(t.ResponseWriter).EnableFullDuplex() == nil { // HTTP/1.0 cannot
		t.Header().Set("Connection", "close")
	}
}

func (t *tracker) WriteHeader(code int) {
	if code >= 200 {
		t.begin()
	}
	t.ResponseWriter.WriteHeader(code)
}

func (t *tracker) Write(b []byte) (int, error) {
	t.begin()
	return t.ResponseWriter.Write(b)
}

// Flush lets handlers assert http.Flusher.
func (t *tracker) Flush() {
	t.begin()
	if f, ok := t.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Hijack lets handlers assert http.Hijacker: WebSocket libraries do.
func (t *tracker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	t.began = true
	return http.NewResponseController(t.ResponseWriter).Hijack()
}

// Unwrap serves http.ResponseController.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// body is a request body that knows whether it has been read to its end. One
// goroutine uses it at a time, like any request body.
type body struct {
	io.ReadCloser
	length int64
	held   *bytes.Reader // the rest, once it is held
	done   bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.held != nil {
		return b.held.Read(p)
	}
	n, err := b.ReadCloser.Read(p)
	b.done = b.done || err == io.EOF
	return n, err
}

// hold reads a short rest into memory; it says whether nothing more will
// come.
func (b *body) hold() bool {
	if b.done || b.length == 0 || b.ReadCloser == http.NoBody {
		return true
	}
	if b.length < 0 || b.length > maxHeld {
		return false
	}
	rest, err := io.ReadAll(b.ReadCloser)
	b.held = bytes.NewReader(rest)
	b.done = err == nil
	return b.done
}
