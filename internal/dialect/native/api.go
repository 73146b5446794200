package native

import (
	_ "embed"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/fn"
)

//go:generate go test -run TestOpenAPI -update .

//go:embed openapi.json
var openAPI []byte // made by the tests from the route table and the api types

// Config is what New needs. Control, Identify and Log are required.
type Config struct {
	Control  Control
	Identify func(*http.Request) (auth.Identity, error) // auth.Checker.Identify
	Log      *slog.Logger
	Metrics  http.Handler  // answers GET /metrics; nil: not found
	Settings []api.Setting // the configuration in force
	Upload   int64         // largest source archive in bytes; 0: 1 GiB
}

// maxBody is the largest JSON request: the largest secret in base64 fits.
const maxBody = 2 << 20

// writeWait is how long a client may take to read a piece of a stream.
const writeWait = time.Minute

// API answers the native API. It keeps no state and starts no goroutine.
type API struct {
	Config
	handler http.Handler
}

// New makes the API.
func New(c Config) *API {
	if c.Upload == 0 {
		c.Upload = 1 << 30
	}
	if c.Metrics == nil {
		c.Metrics = http.NotFoundHandler()
	}
	a := &API{Config: c}
	csrf := http.NewCrossOriginProtection() // lets programs through, stops other web sites
	csrf.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, fn.WithHint(fn.Errorf(fn.Denied, "a web page of another origin sent this request"),
			"use the command line or the API from a program, or the same origin"))
	}))
	a.handler = csrf.Handler(a.mux(routes()))
	return a
}

// ServeHTTP answers one request; what is not in the table gets a not-found
// error.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// mux registers the table. Every path also gets a handler for the methods it
// does not have, and everything else one that says so, so that all errors
// have the same form.
func (a *API) mux(table []route) *http.ServeMux {
	mux := http.NewServeMux()
	methods := map[string][]string{}
	for _, rt := range table {
		mux.Handle(rt.method+" "+rt.path, a.serve(rt))
		methods[rt.path] = append(methods[rt.path], rt.method)
	}
	for path, allowed := range methods {
		slices.Sort(allowed)
		list := strings.Join(allowed, ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", list)
			writeError(w, http.StatusMethodNotAllowed, errorOf(
				fn.WithHint(fn.Errorf(fn.Invalid, "%s is not a method of %s", r.Method, path), "use %s", list)))
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, fn.WithHint(fn.Errorf(fn.NotFound, "there is nothing at %s", clip(r.URL.Path)),
			"functions are called at /function/NAME, /openapi.json lists the management API"))
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
