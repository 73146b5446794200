package openfaas

import (
	_ "embed"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"rouse.dev/rouse/internal/auth"
)

// product is how this platform calls itself: a client takes a provider called
// faasd for one with fewer abilities.
const product = "rouse"

func info(c *call) error {
	i, err := c.Control.Info(c.r.Context())
	if err != nil {
		return err
	}
	v := version{Release: i.Version, SHA: commit()}
	return c.json(http.StatusOK, gatewayInfo{
		Provider: provider{Name: product, Orchestration: product, Version: v}, Version: v, Arch: runtime.GOARCH,
	})
}

// commit is the revision this program was built from, if it knows.
func commit() string {
	b, _ := debug.ReadBuildInfo()
	if b != nil {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}

// counters are what there is to tell. They go to who asks, nowhere else.
type counters struct {
	Provider   string    `json:"provider"`
	Version    string    `json:"version"`
	Started    time.Time `json:"started"`
	Uptime     int64     `json:"uptimeSeconds"`
	Namespaces int       `json:"namespaces"`
	Functions  int       `json:"functions"`
	Instances  int       `json:"instances"`
	Calls      uint64    `json:"invocations"` // of functions the account may see
}

func telemetry(c *call) error {
	i, err := c.Control.Info(c.r.Context())
	if err != nil {
		return err
	}
	views, err := c.Control.Functions(c.r.Context(), "", nil)
	if err != nil {
		return err
	}
	out := counters{
		Provider: product, Version: i.Version, Started: i.Started, Uptime: int64(time.Since(i.Started).Seconds()),
		Namespaces: i.Namespaces, Functions: i.Functions, Instances: i.Instances,
	}
	for _, v := range views {
		if auth.Allow(c.who, auth.Read, v.Namespace) {
			out.Calls += c.calls(v.Ref)
		}
	}
	return c.json(http.StatusOK, out)
}

func health(c *call) error {
	writeText(c.w, http.StatusOK, "OK")
	return nil
}

func metrics(c *call) error {
	c.Metrics.ServeHTTP(c.w, c.r)
	return nil
}

//go:embed page.html
var pageHTML []byte

func page(c *call) error {
	if c.r.URL.Path != "/ui/" {
		writeText(c.w, http.StatusNotFound, "there is nothing at "+clip(c.r.URL.Path))
		return nil
	}
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = c.w.Write(pageHTML) // fails only if the client has left
	return nil
}

func toPage(c *call) error {
	c.w.Header().Set("Location", "/ui/")
	return c.done(http.StatusTemporaryRedirect)
}
