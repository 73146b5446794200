package openfaas

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// proxy is mode http: requests go to the function's own server and its answers
// come back, each piece as it comes.
type proxy struct {
	*watchdog
	transport *http.Transport
	base      string // path before every request's
	discard   *log.Logger
}

func newProxy(w *watchdog) *proxy {
	addr := dialAddress(w.settings.upstream)
	return &proxy{
		watchdog: w,
		base:     strings.TrimSuffix(w.settings.upstream.EscapedPath(), "/"),
		discard:  log.New(io.Discard, "", 0), // what it would say, fail says
		transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial(ctx, addr)
			},
			MaxIdleConns:           100,
			MaxIdleConnsPerHost:    100,
			IdleConnTimeout:        500 * time.Millisecond, // shorter than any server's: it must not close one we send on
			ExpectContinueTimeout:  1500 * time.Millisecond,
			MaxResponseHeaderBytes: 1 << 20,
			DisableCompression:     true, // what the caller did not ask for
		},
	}
}

// ServeHTTP answers one request.
func (p *proxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rec := rw.(*recorder)
	defer p.logAnswer(rec, r)
	ctx, cancel := p.within(r)
	defer cancel()
	select {
	case <-p.health.ready:
	case <-ctx.Done():
		p.fail(rec, r.WithContext(ctx), ctx.Err())
		return
	}
	r = r.WithContext(ctx)
	if p.bufferBody {
		body, err := readAll(rw, r)
		if err != nil {
			rec.refuse(of, bodyStatus(err), "reading the request: "+err.Error())
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	}
	_ = http.NewResponseController(rec).EnableFullDuplex() // an answer may begin before the request ends; HTTP/1.0 cannot
	rp := httputil.ReverseProxy{
		Rewrite:       p.rewrite,
		Transport:     p.transport,
		FlushInterval: -1,
		ErrorLog:      p.discard,
		ModifyResponse: func(*http.Response) error {
			rec.timed()
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) { p.fail(rec, r, err) },
	}
	rp.ServeHTTP(rec, r)
}

// rewrite turns a request into the function's: path, query and headers are as
// they came.
func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	in, out := pr.In, pr.Out
	out.URL.Scheme, out.URL.Host = "http", p.settings.upstream.Host
	out.URL.RawQuery = in.URL.RawQuery
	if p.base != "" {
		u := *p.settings.upstream
		out.URL.Path = strings.TrimSuffix(u.Path, "/") + in.URL.Path
		out.URL.RawPath = p.base + in.URL.EscapedPath()
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := in.Header[name]; ok {
			out.Header[name] = v
		}
	}
}

// within gives a request its time. What is meant to go on has no end: streams
// of events, websockets.
func (p *proxy) within(r *http.Request) (context.Context, context.CancelFunc) {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	if strings.Contains(accept, "text/event-stream") || strings.Contains(accept, "application/x-ndjson") || r.Header.Get("Upgrade") != "" {
		return context.WithCancel(r.Context())
	}
	return p.bound(r)
}

// fail answers for a function that did not.
func (p *proxy) fail(rec *recorder, r *http.Request, err error) {
	id := r.Header.Get("X-Call-Id")
	if errors.Is(context.Cause(r.Context()), errExecTimeout) {
		p.log.printf(id, "Upstream HTTP killed due to exec_timeout: %v", p.execTimeout)
		rec.refuse(of, http.StatusGatewayTimeout, errExecTimeout.Error())
		return
	}
	p.log.printf(id, "Upstream HTTP request error: %v", err)
	rec.refuse(of, http.StatusInternalServerError, "the function's server did not answer")
}

// logAnswer prints the line of a request, also of one that was cut off.
func (p *proxy) logAnswer(rec *recorder, r *http.Request) {
	status := max(rec.status, 100)
	text := strconv.Itoa(status)
	if name := http.StatusText(status); name != "" {
		text += " " + name
	}
	p.logRequest(r, text, rec.size, sinceBegan(rec))
}

// bodyStatus is the answer to a request whose body could not be read.
func bodyStatus(err error) int {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}
