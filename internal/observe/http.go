package observe

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// HTTP counts requests that are not calls of functions: those of an API.
// Its methods may be called from several goroutines at once.
type HTTP struct {
	mu   sync.RWMutex
	rows map[httpKey]*histogram // guarded by mu
}

type httpKey struct {
	path, method string
	status       int
}

// maxHTTP bounds the different rows of an HTTP.
const maxHTTP = 2000

// HTTP returns where the requests of APIs are counted.
func (o *Observer) HTTP() *HTTP { return &o.http }

// Wrap returns a handler that does what next does and counts it under path:
// the pattern of a route ("/system/function"), not the path of a request. A
// nil HTTP returns next.
func (h *HTTP) Wrap(path string, next http.Handler) http.Handler {
	if h == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		sw := &statusWriter{ResponseWriter: w, status: http.StatusInternalServerError}
		defer func() { h.row(httpKey{path, methodName(r.Method), sw.status}).add(time.Since(began)) }()
		next.ServeHTTP(sw, r)
		if !sw.wrote {
			sw.status = http.StatusOK
		}
	})
}

// methodName keeps clients from making up labels.
func methodName(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return other
}

// row returns where requests of one kind are counted.
func (h *HTTP) row(k httpKey) *histogram {
	h.mu.RLock()
	r := h.rows[k]
	h.mu.RUnlock()
	if r != nil {
		return r
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.rows) >= maxHTTP {
		k = httpKey{path: other, method: other}
	}
	if r := h.rows[k]; r != nil {
		return r
	}
	if h.rows == nil {
		h.rows = map[httpKey]*histogram{}
	}
	h.rows[k] = new(histogram)
	return h.rows[k]
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (w *statusWriter) WriteHeader(status int) {
	if !w.wrote && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if !w.wrote {
		w.status, w.wrote = http.StatusOK, true
	}
	return w.ResponseWriter.Write(b)
}

// Flush implements http.Flusher for handlers that stream.
func (w *statusWriter) Flush() {
	if !w.wrote {
		w.status, w.wrote = http.StatusOK, true
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController find what the connection can do.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// requests exports the requests of the API, those below /system/ also under the names
// of what is a process of its own elsewhere.
func (c *foreign) requests(e *emitter) {
	h := &c.o.http
	h.mu.RLock()
	rows := maps.Clone(h.rows)
	h.mu.RUnlock()
	for _, k := range slices.SortedFunc(maps.Keys(rows), httpKey.compare) {
		var r reading
		r.add(rows[k])
		code := strconv.Itoa(k.status)
		e.counter(c.d.http, r.total(), k.method, k.path, code, code)
		e.customary(c.d.httpDuration, &r, k.method, k.path, code, code)
		if strings.HasPrefix(k.path, "/system/") {
			e.counter(c.d.inner, r.total(), k.method, k.path, code)
			e.customary(c.d.innerDuration, &r, k.method, k.path, code)
		}
	}
}

func (k httpKey) compare(o httpKey) int {
	return cmp.Or(cmp.Compare(k.path, o.path), cmp.Compare(k.method, o.method), cmp.Compare(k.status, o.status))
}
