package native

import (
	"encoding/json"
	"net/http"
	"time"
)

// lines writes a stream of JSON values, one a line, each sent at once. A
// client that does not read for writeWait ends it. It belongs to one
// goroutine at a time.
type lines struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	enc   *json.Encoder
	begun bool
	err   error // the first failure to write; nothing is written after it
}

func newLines(w http.ResponseWriter) *lines {
	l := &lines{w: w, rc: http.NewResponseController(w), enc: json.NewEncoder(w)}
	l.enc.SetEscapeHTML(false)
	return l
}

// begin sends the response head.
func (l *lines) begin() {
	if l.begun {
		return
	}
	l.begun = true
	l.w.Header().Set("Content-Type", ndjsonType)
	l.w.Header().Set("X-Accel-Buffering", "no") // asks proxies in front not to collect
	l.w.WriteHeader(http.StatusOK)
	l.flush()
}

// send writes one value. It returns the first error of the stream.
func (l *lines) send(v any) error {
	l.begin()
	if l.err == nil {
		l.patience(writeWait)
		l.err = l.enc.Encode(v)
	}
	l.flush()
	return l.err
}

func (l *lines) flush() {
	if l.err == nil {
		l.err = l.rc.Flush()
	}
}

// end takes back the write deadline, for the next request on the connection.
func (l *lines) end() {
	if l.begun {
		_ = l.rc.SetWriteDeadline(time.Time{}) // not every writer has deadlines
	}
}

func (l *lines) patience(d time.Duration) {
	_ = l.rc.SetWriteDeadline(time.Now().Add(d)) // not every writer has deadlines
}

// patientWriter writes bytes with the same patience; it remembers whether
// anything was written.
type patientWriter struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	begun bool
}

func (p *patientWriter) Write(b []byte) (int, error) {
	p.begun = true
	_ = p.rc.SetWriteDeadline(time.Now().Add(writeWait)) // not every writer has deadlines
	return p.w.Write(b)
}
