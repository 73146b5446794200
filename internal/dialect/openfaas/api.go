package openfaas

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// Config is what New needs. Control, Secrets, Identify and Log are required.
type Config struct {
	Control  Control
	Secrets  Secrets
	Calls    Counter                                    // nil: nothing was ever called
	Identify func(*http.Request) (auth.Identity, error) // auth.Checker.Identify
	Log      *slog.Logger
	Metrics  http.Handler                                       // answers GET /metrics; nil: not found
	Public   bool                                               // GET /metrics needs no account and is owned; see Owns
	Wait     time.Duration                                      // how long a deploy is waited for; default 50 s, below the 60 s of faas-cli
	Count    func(route string, next http.Handler) http.Handler // counts requests below /system; nil does not
	Sample   time.Duration                                      // over which the use of processors is measured; default 100 ms
}

// maxBody is the largest JSON request.
const maxBody = 1 << 20

// API answers OpenFaaS's management API. It keeps no state besides the deploys
// under way; see Close.
type API struct {
	Config
	handler http.Handler

	deploys sync.WaitGroup // deploys under way
	mu      sync.Mutex
	stops   map[*control.Deploy]context.CancelCauseFunc // guarded by mu: ends each of them; nil: closed
}

// New makes the API.
func New(c Config) *API {
	if c.Metrics == nil {
		c.Metrics = http.NotFoundHandler()
	}
	if c.Wait == 0 {
		c.Wait = 50 * time.Second
	}
	if c.Count == nil {
		c.Count = func(_ string, next http.Handler) http.Handler { return next }
	}
	if c.Sample == 0 {
		c.Sample = 100 * time.Millisecond
	}
	a := &API{Config: c, stops: map[*control.Deploy]context.CancelCauseFunc{}}
	csrf := http.NewCrossOriginProtection() // lets programs through, stops other web sites
	csrf.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, fn.Errorf(fn.Denied, "a web page of another origin sent this request"))
	}))
	a.handler = csrf.Handler(a.mux(routes()))
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Owns says whether a request is one for this dialect. What others answer too
// is theirs: /healthz but for HEAD, /metrics unless it is public, / unless a
// person looks at it.
func (a *API) Owns(r *http.Request) bool {
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch path := r.URL.Path; {
	case strings.HasPrefix(path, "/system/"), path == "/ui", strings.HasPrefix(path, "/ui/"):
		return true
	case path == "/healthz":
		return r.Method == http.MethodHead
	case path == "/metrics":
		return read && a.Public
	case path == "/":
		return read && strings.Contains(r.Header.Get("Accept"), "text/html")
	}
	return false
}

// mux registers the table. Every path also gets a handler for the methods it
// does not have, and everything else one that says so in plain text.
func (a *API) mux(table []route) *http.ServeMux {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, rt := range table {
		h := a.serve(rt)
		if strings.HasPrefix(rt.path, "/system/") {
			name, _, _ := strings.Cut(rt.path, "/{")
			h = a.Count(name, h)
		}
		mux.Handle(rt.method+" "+rt.path, h)
		methods[rt.path] = append(methods[rt.path], rt.method)
	}
	for path, allowed := range methods {
		slices.Sort(allowed)
		list := strings.Join(allowed, ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", list)
			writeText(w, http.StatusMethodNotAllowed, r.Method+" is not a method of this path: use "+list)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeText(w, http.StatusNotFound, "there is nothing at "+clip(r.URL.Path))
	})
	return mux
}

// clip shortens text from a request for an error.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:77], "") + "..."
	}
	return s
}
