package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pool"
	"rouse.dev/rouse/internal/route"
)

// Recorder keeps what is known of a finished call. Record must not block and
// must not keep inv.
type Recorder interface {
	Record(inv *fn.Invocation)
}

// Pool admits calls to instances; *pool.Pool is the one there is.
type Pool interface {
	// Try takes a slot at once, or returns nil.
	Try(rev *fn.RevisionRef, id fn.CallID) *pool.Slot
	// Admit waits for a slot within ctx. Its error is a *fn.Failure.
	Admit(ctx context.Context, rev *fn.RevisionRef, id fn.CallID) (*pool.Slot, error)
}

// Config is everything a Server needs.
type Config struct {
	Routes   *route.Table
	Pool     Pool
	Recorder Recorder     // nil records nothing
	API      http.Handler // what is not a call of a function; nil answers 404
	Log      *slog.Logger

	Domain  string            // functions also answer at NAME.NAMESPACE.Domain; "" means they do not
	Aliases map[string]string // other names of namespaces: what clients of another system call them
	Product string            // what answers: X-Served-By; "" is "rouse"
	Trusted []netip.Prefix    // proxies whose X-Forwarded-* fields are believed

	MaxHead        int           // largest head of a request or response in bytes; default 64 KiB
	MaxConnections int           // at once; more wait to be accepted; default 20,000
	HeadTimeout    time.Duration // from the first byte of a head to its last; default 10 s
	IdleTimeout    time.Duration // between two requests; default 2 min
}

func (c Config) withDefaults() Config {
	if c.API == nil {
		c.API = http.NotFoundHandler()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Product == "" {
		c.Product = "rouse"
	}
	if c.MaxHead <= 0 {
		c.MaxHead = 64 << 10
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = 20_000
	}
	if c.HeadTimeout <= 0 {
		c.HeadTimeout = 10 * time.Second
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = 2 * time.Minute
	}
	return c
}
