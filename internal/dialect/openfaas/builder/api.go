package builder

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// Control is what builds need of the platform.
type Control interface {
	// AcceptSource keeps a source archive and returns its digest.
	AcceptSource(ctx context.Context, r io.Reader) (string, error)
	// BuildImage builds an accepted source and makes a reference stand for
	// it. emit is called from one goroutine at a time.
	BuildImage(ctx context.Context, req control.ImageRequest, emit func(control.Event)) (fn.Image, error)
}

// Config is what New needs. All fields are required but for Secret and those
// with a default.
type Config struct {
	Control  Control
	Secret   []byte // builds are signed with it; empty: there are no builds
	Tmp      string // folder for what is being received
	Upload   int64  // largest tar in bytes; default 1 GiB
	InFlight int    // builds at one time, further ones are refused; default 4
	Log      *slog.Logger
}

// Paths are what Handler answers.
var Paths = []string{"/build", "/publickey"}

// API answers the Function Builder API. It starts no goroutine that outlives
// a request.
type API struct {
	Config
	receiving chan struct{} // holds one token for each tar on its way in, so that strangers cannot fill the disk
	building  chan struct{} // holds one token for each build
	mux       *http.ServeMux
}

// receivers is how many tars may be on their way in at one time.
const receivers = 8

// New makes the API.
func New(c Config) *API {
	if c.Upload <= 0 {
		c.Upload = 1 << 30
	}
	if c.InFlight <= 0 {
		c.InFlight = 4
	}
	a := &API{
		Config: c, mux: http.NewServeMux(),
		receiving: make(chan struct{}, receivers), building: make(chan struct{}, c.InFlight),
	}
	a.mux.HandleFunc("POST /build", a.build)
	a.mux.HandleFunc("GET /publickey", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, fn.WithHint(fn.Errorf(fn.NotFound, "there is no key to seal build secrets with"), "build without secrets: nothing of a build needs them here"))
	})
	return a
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	a.mux.ServeHTTP(w, r)
}

// fail answers that there was no build.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := fn.Status(err)
	a.Log.Info("a build was refused", "status", status, "error", err, "from", r.RemoteAddr)
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "5")
	}
	write(w, status, result{Log: []string{}, Status: failed, Error: sentence(err)})
}

// sentence is an error with its hint. The output of what failed is in the log.
func sentence(err error) string {
	if f, ok := errors.AsType[*fn.Failure](err); ok {
		return f.Message
	}
	if hint := fn.Hint(err); hint != "" {
		return err.Error() + " (" + hint + ")"
	}
	return err.Error()
}

func write(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // fails only if the caller has left
}
