package app

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/auth"
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

	rebound, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"evil.example": 421, "evil.example:8082": 421, "localhost": 200, "localhost:8082": 200, "[::1]:8082": 200} {
		rebound.Host = host
		res, err := http.DefaultClient.Do(rebound)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("metrics for the host %s: %d, want %d", host, res.StatusCode, want)
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

// send makes a request as admin and returns the status and the body.
func send(t *testing.T, cfg conf.Config, method, url, body string) (int, string) {
	t.Helper()
	password, err := auth.ReadPassword(auth.PasswordFile(cfg.Data))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", password)
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestOpenFaaSFunctionLives goes through the life of a function on a whole
// server: real sandbox, real watchdog.
func TestOpenFaaSFunctionLives(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the process engine makes namespaces and firewall rules: run as root")
	}
	cfg := config(t)
	r, _ := up(t, cfg)
	deploy := `{"service":"echo","image":"functions/alpine:latest","envProcess":"cat /var/openfaas/secrets/token -","secrets":["token"],
		"labels":{"com.openfaas.scale.zero":"true"},"limits":{"memory":"64Mi"}}`
	for _, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/system/functions", deploy, 400, "there is no secret token"},
		{"POST", "/system/secrets", `{"name":"token","value":"x","rawValue":"YWJj"}`, 201, ""},
		{"PUT", "/system/functions", deploy, 404, "echo"},
		{"POST", "/system/functions", deploy, 202, ""},
		{"GET", "/system/function/echo", "", 200, `"image":"functions/alpine:latest","envProcess":"cat /var/openfaas/secrets/token -"`},
		{"POST", "/function/echo.openfaas-fn", "hello", 200, "abchello"},
		{"GET", "/system/functions", "", 200, `"invocationCount":1`},
		{"GET", "/system/logs?name=echo&tail=-1", "", 200, "Forking fprocess"},
		{"GET", "/metrics", "", 200, `gateway_function_invocation_total{code="200",function_name="echo.openfaas-fn"} 1`},
		{"POST", "/system/scale-function/echo", `{"serviceName":"echo","replicas":0}`, 202, ""},
		{"POST", "/function/echo", "again", 200, "abcagain"},
		{"DELETE", "/system/functions", `{"functionName":"echo"}`, 202, ""},
		{"POST", "/function/echo", "gone", 404, ""},
	} {
		status, body := send(t, cfg, step.method, r.URL+step.path, step.body)
		if status != step.status || !strings.Contains(body, step.want) {
			t.Fatalf("%s %s: %d %s, want %d %s", step.method, step.path, status, body, step.status, step.want)
		}
	}
}
