package openfaas

import (
	"fmt"
	"net/http"
	"time"

	"rouse.dev/rouse/internal/watchdog/fork"
)

// recorder is a response of which we know what became of it.
type recorder struct {
	http.ResponseWriter
	began  time.Time
	status int        // 0 until the head
	size   int64      // of the body so far
	failed bool       // the program did, whatever the status says
	body   *fork.Body // what the program reads; nil: somebody else reads the request
}

// WriteHeader sends the head.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
		if r.body != nil {
			r.body.Settle(r.Header())
		}
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write sends a piece of the body.
func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	n, err := r.ResponseWriter.Write(p)
	r.size += int64(n)
	return n, err
}

// input takes over the reading of the request for a program.
func (r *recorder) input(q *http.Request) *fork.Body {
	r.body = fork.NewBody(r.ResponseWriter, q)
	return r.body
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// timed adds the time since the request came to the head.
func (r *recorder) timed() {
	r.Header().Set("X-Duration-Seconds", fmt.Sprintf("%f", time.Since(r.began).Seconds()))
}

// internalHeader marks what the platform answered rather than the function; queue
// workers repeat such calls.
const internalHeader = "X-OpenFaaS-Internal"

// refuse answers in the function's place.
func (r *recorder) refuse(by string, status int, reason string) {
	r.failed = true
	h := r.Header()
	h.Set(internalHeader, by)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	r.timed()
	r.WriteHeader(status)
	_, _ = r.Write([]byte(reason + "\n")) // fails only when the caller left
}
