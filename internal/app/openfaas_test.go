package app

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/cli"
	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/dialect/openfaas"
)

func TestEachDialectGetsItsRequests(t *testing.T) {
	h := doors(openfaas.New(openfaas.Config{}), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Dialect", "native")
	}))
	for target, native := range map[string]bool{
		"GET /v1/functions": true, "GET /metrics": true, "GET /healthz": true, "GET /": true, "GET /nothing": true,
		"HEAD /healthz": false, "PATCH /system/functions": false, "PUT /ui/": false,
	} {
		method, path, _ := strings.Cut(target, " ")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if got := w.Header().Get("X-Dialect") == "native"; got != native {
			t.Errorf("%s goes to the native API: %v", target, got)
		}
	}
}

// up starts a server and returns it and what its log file says when asked.
func up(t *testing.T, cfg conf.Config) (cli.Ready, func() string) {
	t.Helper()
	s := newServer(t)
	ctx, stop := context.WithCancelCause(t.Context())
	ready, ended := make(chan cli.Ready, 1), make(chan error, 1)
	go func() { ended <- s.Up(ctx, cfg, func(r cli.Ready) { ready <- r }) }()
	t.Cleanup(func() {
		stop(errors.New("test is over"))
		if err := <-ended; err != nil {
			t.Errorf("Up ended with %v", err)
		}
	})
	log := func() string {
		text, err := os.ReadFile(s.p.Stderr.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	select {
	case r := <-ready:
		return r, log
	case err := <-ended:
		ended <- nil
		t.Fatalf("Up: %v", err)
		return cli.Ready{}, nil
	}
}

func TestMetricsHaveAListenerOfTheirOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the process engine makes namespaces and firewall rules: run as root")
	}
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	_ = free.Close()
	cfg := config(t)
	cfg.OpenFaaS.MetricsListen = addr
	r, _ := up(t, cfg)
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/system/functions": 404, "/v1/info": 404, "/": 404} {
		if status, body := fetch(t, "http://"+addr+path); status != want {
			t.Errorf("%s on the second listener: %d %s", path, status, body)
		}
	}
	for path, want := range map[string]int{"/metrics": 401, "/healthz": 200, "/system/functions": 401} {
		if status, body := fetch(t, r.URL+path); status != want {
			t.Errorf("%s on the API's: %d %s", path, status, body)
		}
	}

	// Another server finds it taken, says so, and serves; this one is told to
	// answer for metrics on its API's port.
	second := config(t)
	second.OpenFaaS.MetricsListen, second.Metrics.Public = addr, true
	r, log := up(t, second)
	if status, _ := fetch(t, r.URL+"/metrics"); status != http.StatusOK {
		t.Errorf("public metrics: %d", status)
	}
	if !strings.Contains(log(), "openfaas.metricsListen") {
		t.Errorf("the log does not say that the address is taken: %s", log())
	}
}
