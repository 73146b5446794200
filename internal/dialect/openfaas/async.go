package openfaas

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

// asyncPrefix is where functions are called without waiting.
const asyncPrefix = "/async-function/"

// Calls takes calls whose callers do not wait; *async.Engine is the one there
// is.
type Calls interface {
	Submit(ctx context.Context, c async.Call) error
	Cancel(ctx context.Context, id string, may func(fn.Ref) error) error
}

// AsyncConfig is everything NewAsync needs. Calls and Identify are required.
type AsyncConfig struct {
	Calls    Calls
	Identify func(*http.Request) (auth.Identity, error) // auth.Checker.Identify
	Log      *slog.Logger
	MaxBody  int64          // largest body in bytes; default 1 MiB
	Trusted  []netip.Prefix // proxies whose X-Forwarded-* fields are believed
	Product  string         // X-Served-By
}

// Async answers what is below /async-function/.
type Async struct{ cfg AsyncConfig }

// NewAsync makes the handler. It starts no goroutine.
func NewAsync(cfg AsyncConfig) *Async {
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Async{cfg}
}

// Route returns a handler that answers what is below /async-function/ and
// leaves everything else to next.
func (a *Async) Route(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(rawPath(r), asyncPrefix); ok {
			a.serve(w, r, rest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve answers one request; rest is the path behind the prefix, as sent.
func (a *Async) serve(w http.ResponseWriter, r *http.Request, rest string) {
	began := time.Now()
	w.Header().Set("X-Served-By", a.cfg.Product)
	var err error
	switch r.Method {
	case http.MethodPost:
		err = a.submit(w, r, rest, began)
	case http.MethodDelete:
		err = a.cancel(w, r, rest)
	default:
		w.Header().Set("Allow", "POST, DELETE")
		http.Error(w, "use POST to call a function, DELETE to cancel a call", http.StatusMethodNotAllowed)
		return
	}
	if err != nil {
		a.refuse(w, r, err)
	}
}

// submit accepts a call. Like all calls of functions it needs no account.
func (a *Async) submit(w http.ResponseWriter, r *http.Request, rest string, began time.Time) error {
	name, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		name, path = rest[:i], rest[i:]
	}
	ref, err := refOf(name)
	if err != nil {
		return err
	}
	callback, err := callbackOf(r)
	if err != nil {
		return err
	}
	body, err := a.body(w, r)
	if err != nil {
		return err
	}
	c := async.Call{
		Ref: ref, Name: name, ID: idOf(r, began), Path: path, Query: rawQuery(r), Host: r.Host, From: r.RemoteAddr,
		Header: a.header(r), Body: body, Callback: callback,
	}
	if err := a.cfg.Calls.Submit(r.Context(), c); err != nil {
		return err
	}
	h := w.Header()
	h.Set("X-Call-Id", c.ID)
	h.Set("X-Start-Time", strconv.FormatInt(began.UnixNano(), 10))
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// refOf reads NAME or NAME.NAMESPACE: the last dot divides.
func refOf(name string) (fn.Ref, error) {
	ref := fn.Ref{Name: name, Namespace: fn.DefaultNamespace}
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		ref = fn.Ref{Name: name[:i], Namespace: deployment.NamespaceIn(name[i+1:])}
	}
	if fn.ValidateRef(ref) != nil {
		return ref, fn.Errorf(fn.NotFound, "%.80q does not name a function", name)
	}
	return ref, nil
}

// callbackOf reads where the result is to go.
func callbackOf(r *http.Request) (string, error) {
	address := r.Header.Get("X-Callback-Url")
	if address == "" {
		return "", nil
	}
	if _, err := url.Parse(address); err != nil {
		return "", fn.Errorf(fn.Invalid, "X-Callback-Url is not a URL")
	}
	return address, nil
}

// body reads the whole body.
func (a *Async) body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	large := async.TooLarge(a.cfg.MaxBody)
	if r.ContentLength > a.cfg.MaxBody {
		return nil, large
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.cfg.MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, large
	}
	if err != nil {
		return nil, fn.Errorf(fn.Canceled, "reading the body: %w", err)
	}
	return body, nil
}

// idOf is the caller's X-Call-Id if it can be kept, else a new one.
func idOf(r *http.Request, now time.Time) string {
	if sent := r.Header.Values("X-Call-Id"); len(sent) == 1 && async.ValidID(sent[0]) && !strings.HasPrefix(sent[0], async.OwnIDs) {
		return sent[0]
	}
	return fn.MakeCallID(uint64(now.UnixMilli()), rand.Uint64(), rand.Uint64()).String()
}

// header is what the function is to see of the request's header. What stands
// in X-Forwarded-* is believed later, so it is made here, from what is known
// of the client.
func (a *Async) header(r *http.Request) http.Header {
	peer, trusted := a.peer(r)
	hop := connectionOnly(r.Header)
	h := make(http.Header, len(r.Header)+3)
	for name, values := range r.Header {
		switch lower := strings.ReplaceAll(strings.ToLower(name), "_", "-"); {
		case hop[name], strings.HasPrefix(lower, "x-rouse-"), lower == "x-real-ip", lower == "x-call-id":
		case strings.HasPrefix(lower, "x-forwarded-") && !trusted:
		default:
			h[name] = values
		}
	}
	from := append(h.Values("X-Forwarded-For"), peer)
	h["X-Forwarded-For"] = []string{strings.TrimPrefix(strings.Join(from, ", "), ", ")}
	if h.Get("X-Forwarded-Host") == "" && r.Host != "" {
		h.Set("X-Forwarded-Host", r.Host)
	}
	if h.Get("X-Forwarded-Proto") == "" {
		h.Set("X-Forwarded-Proto", "http")
	}
	return h
}

// connectionOnly names the fields that end at this server. They go before ours
// are added: a client must not be able to have those taken out later.
func connectionOnly(h http.Header) map[string]bool {
	hop := map[string]bool{"Connection": true}
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			hop[http.CanonicalHeaderKey(strings.TrimSpace(name))] = true
		}
	}
	return hop
}

// peer is the address of who has sent the request, and whether it is a proxy
// that is believed.
func (a *Async) peer(r *http.Request) (address string, trusted bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host, false
	}
	ip = ip.Unmap()
	for _, p := range a.cfg.Trusted {
		trusted = trusted || p.Contains(ip)
	}
	return ip.String(), trusted
}

// cancel drops a call, or ends one that runs. That is a change, so it needs an
// account that may change things where the function is.
func (a *Async) cancel(w http.ResponseWriter, r *http.Request, rest string) error {
	who, err := a.cfg.Identify(r)
	if err != nil {
		return err
	}
	if who.Name == "" {
		return fn.Errorf(fn.Unauthenticated, "cancelling a call needs an account")
	}
	id, err := url.PathUnescape(rest)
	if err != nil {
		return fn.Errorf(fn.NotFound, "there is no such call")
	}
	may := func(ref fn.Ref) error {
		if auth.Allow(who, auth.Write, ref.Namespace) {
			return nil
		}
		return fn.Errorf(fn.Denied, "account %s may not cancel calls in namespace %s", who.Name, deployment.NamespaceOut(ref.Namespace))
	}
	if err := a.cfg.Calls.Cancel(r.Context(), id, may); err != nil {
		return err
	}
	w.Header().Set("X-Call-Id", id)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// refuse answers with an error: plain text, which faas-cli prints.
func (a *Async) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := fn.Status(err)
	level := a.cfg.Log.Debug
	if status == http.StatusInternalServerError || status == http.StatusInsufficientStorage {
		level = a.cfg.Log.Error
	}
	level("asynchronous call refused", "path", r.URL.Path, "status", status, "error", err)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Restricted"`)
	}
	text := err.Error()
	if hint := fn.Hint(err); hint != "" {
		text += "; " + hint
	}
	http.Error(w, text, status)
}

// rawPath is the path as it was sent.
func rawPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	return r.URL.EscapedPath()
}

// rawQuery is the query as it was sent.
func rawQuery(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		_, query, _ := strings.Cut(r.RequestURI, "?")
		return query
	}
	return r.URL.RawQuery
}
