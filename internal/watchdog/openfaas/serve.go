package openfaas

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// ServeHTTP answers the watchdog's own paths and gives the rest to the
// function. Paths are left as they were sent: nothing is cleaned or redirected.
func (w *watchdog) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.open.Add(1)
	defer w.open.Done()
	switch {
	case r.Method == http.MethodOptions && r.RequestURI == "*":
		w.answerReady(rw, r)
	case r.URL.Path == "/_/health":
		w.answerHealth(rw, r)
	case r.URL.Path == "/_/ready" && w.contract == OfWatchdog:
		w.answerReadiness(rw, r)
	default:
		w.call(rw, r)
	}
}

// answerReady is the platform's question whether calls may be sent: there is
// no answer until they may.
func (w *watchdog) answerReady(rw http.ResponseWriter, r *http.Request) {
	select {
	case <-w.health.ready:
		rw.Header().Set("Content-Length", "0")
	case <-r.Context().Done():
	}
}

// call has the function answer, within the limit of requests at once.
func (w *watchdog) call(rw http.ResponseWriter, r *http.Request) {
	rec := &recorder{ResponseWriter: rw, began: time.Now()}
	running := w.running.Add(1)
	defer w.running.Add(-1)
	if w.metrics != nil {
		w.metrics.running.Inc()
		defer func() { w.metrics.observe(r.Method, rec) }() // also when the handler panics to cut the response off
	}
	if w.maxInflight > 0 && running > int64(w.maxInflight) {
		rec.refuse("faas-middleware", http.StatusTooManyRequests, tooMany(w.maxInflight))
		return
	}
	w.function.ServeHTTP(rec, r)
}

func tooMany(most int) string {
	return fmt.Sprintf("too many requests at once: max_inflight is %d", most)
}

// answerHealth is GET /_/health.
func (w *watchdog) answerHealth(rw http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		rw.WriteHeader(http.StatusMethodNotAllowed)
	case !w.healthy():
		rw.WriteHeader(http.StatusServiceUnavailable)
	default:
		_, _ = rw.Write([]byte("OK")) // fails only when the caller left
	}
}

// healthy also wants the lock file to be there: a function may take it away to
// say that it is not well.
func (w *watchdog) healthy() bool {
	return w.health.up.Load() && (w.lock == "" || lockThere(w.lock))
}

// answerReadiness is GET /_/ready. The function is asked past the limit.
func (w *watchdog) answerReadiness(rw http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		rw.WriteHeader(http.StatusMethodNotAllowed)
	case !w.healthy():
		rw.WriteHeader(http.StatusServiceUnavailable)
	case w.maxInflight > 0 && w.running.Load() >= int64(w.maxInflight):
		http.Error(rw, tooMany(w.maxInflight), http.StatusTooManyRequests)
	case w.ready != nil:
		q := r.Clone(r.Context())
		q.URL, q.RequestURI, q.Body, q.ContentLength = w.ready, w.ready.RequestURI(), http.NoBody, 0
		w.function.ServeHTTP(&recorder{ResponseWriter: rw, began: time.Now()}, q)
	default:
		rw.WriteHeader(http.StatusOK)
	}
}

// errExecTimeout is the cause when exec_timeout, or the caller's X-Timeout,
// ended a request.
var errExecTimeout = errors.New("exec_timeout passed")

// bound gives a request its time: exec_timeout, or less if the caller says so
// in X-Timeout.
func (w *watchdog) bound(r *http.Request) (context.Context, context.CancelFunc) {
	limit := w.execTimeout
	if w.contract == OfWatchdog {
		if d, err := time.ParseDuration(r.Header.Get("X-Timeout")); err == nil && d > 0 && (limit == 0 || d <= limit) {
			limit = d
		}
	}
	if limit == 0 {
		return context.WithCancel(r.Context())
	}
	return context.WithTimeoutCause(r.Context(), limit, errExecTimeout)
}
