package openfaas_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/dialect/openfaas"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/logs"
	"rouse.dev/rouse/internal/pool"
	"rouse.dev/rouse/internal/route"
	"rouse.dev/rouse/internal/secret"
	"rouse.dev/rouse/internal/store/memory"
	"rouse.dev/rouse/templates"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is the management API on a real platform, but for the kernel, the tools
// that build, and images.
type rig struct {
	*httptest.Server
	*control.Controller
	t      *testing.T
	api    *openfaas.API
	engine *memEngine
	calls  counts
	dir    string // with the passwords

	mu  sync.Mutex
	log bytes.Buffer // guarded by mu: the server's own
}

// Write takes the server's log.
func (r *rig) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *rig) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// counts is an openfaas.Counter.
type counts struct{ sync.Map }

func (c *counts) Calls(ref fn.Ref) uint64 {
	n, _ := c.Load(ref)
	v, _ := n.(uint64)
	return v
}

// accounts besides admin.
var accounts = []string{"eye:read", "ci:write", "team:write:team", "boss:admin:team"}

func start(t *testing.T, more ...func(*openfaas.Config)) *rig {
	t.Helper()
	r := &rig{t: t, engine: &memEngine{gate: make(chan struct{})}, dir: t.TempDir()}
	r.platform()
	known, err := auth.Load(r.dir, accounts)
	if err != nil {
		t.Fatal(err)
	}
	cfg := openfaas.Config{
		Control: r.Controller, Secrets: r.Controller, Calls: &r.calls, Identify: auth.NewChecker(known, nil).Identify,
		Log:     slog.New(slog.NewTextHandler(r, nil)),
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "rouse_up 1\n") }),
		Sample:  time.Millisecond,
	}
	for _, change := range more {
		change(&cfg)
	}
	r.api = openfaas.New(cfg)
	r.Server = httptest.NewServer(r.api)
	t.Cleanup(func() {
		r.Server.Close()
		if err := r.api.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// platform makes what a server start makes.
func (r *rig) platform() {
	r.t.Helper()
	dir, err := datadir.Open(r.t.TempDir())
	if err != nil {
		r.t.Fatal(err)
	}
	db := memory.New(memory.Config{})
	set, err := runtimes.Load(templates.FS, "", []string{"/usr/bin"})
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := secret.Open(r.t.TempDir(), false)
	if err != nil {
		r.t.Fatal(err)
	}
	output, err := logs.Open(dir.Logs(), logs.Config{})
	if err != nil {
		r.t.Fatal(err)
	}
	launcher, quiet, routes := &control.Launcher{}, slog.New(slog.DiscardHandler), route.New()
	live := pool.New(pool.Config{Engine: r.engine, Source: launcher, Logs: output, Log: quiet})
	policy := fn.Default()
	policy.Scale.Freeze = -1
	r.Controller = control.New(control.Config{
		Store: db, Routes: routes, Pool: live, Builder: memBuilder{dir.Artifacts()}, Runtimes: set,
		Sources: control.Sources{Dir: dir.Sources(), Tmp: dir.Tmp()}, Images: []control.Resolver{registry{}},
		Logs: output, Log: quiet, Secrets: keys, Artifacts: dir.Artifacts(), CollectArtifacts: dir.CollectArtifacts, Binary: "/bin/rouse",
		Defaults: policy, Version: "v0.1.0", URL: "http://127.0.0.1:8080",
	})
	launcher.Bind(r.Controller)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- live.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		err := <-ended
		r.engine.wg.Wait()
		if err := errors.Join(err, output.Close(), db.Close(), dir.Close()); err != nil {
			r.t.Error(err)
		}
	})
	if err := r.Load(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// registry knows every image whose name begins with example.com/.
type registry struct{}

func (registry) Resolve(_ context.Context, ref fn.ImageRef) (control.Bundle, error) {
	if ref.Registry != "example.com" {
		return control.Bundle{}, fn.NotFound
	}
	spec := fn.Spec{Runtime: "python", Env: map[string]string{"FROM_IMAGE": "1"}}
	return control.Bundle{Spec: spec, Files: fstest.MapFS{"handler.py": {Data: []byte(ref.String())}}}, nil
}

// memBuilder makes an artifact of the one file of a source, without tools.
type memBuilder struct{ artifacts string }

func (b memBuilder) Build(_ context.Context, req build.Request, _ func(build.Event)) (fn.Artifact, error) {
	text, err := os.ReadFile(filepath.Join(req.Source, "handler.py"))
	if err != nil {
		return fn.Artifact{}, err
	}
	sum := sha256.Sum256(text)
	name := hex.EncodeToString(sum[:])
	if err := os.MkdirAll(filepath.Join(b.artifacts, name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fn.Artifact{}, err
	}
	return fn.Artifact{Digest: "sha256:" + name, Size: int64(len(text)), Program: fn.Program{
		Command: []string{"/bin/handler"}, Listen: fn.ListenSocket, Contract: "http",
	}}, nil
}

// native deploys the way the native API does.
func (r *rig) native(ref fn.Ref, spec fn.Spec) control.View {
	r.t.Helper()
	var b bytes.Buffer
	if err := archive(&b, "native "+ref.String()); err != nil {
		r.t.Fatal(err)
	}
	digest, err := r.AcceptSource(r.t.Context(), &b)
	if err != nil {
		r.t.Fatal(err)
	}
	spec.Runtime = "python"
	v, err := r.Deploy(r.t.Context(), control.Deploy{Ref: ref, Spec: spec, Source: digest}, func(control.Event) {})
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func (r *rig) password(name string) string {
	r.t.Helper()
	file := auth.PasswordFile(r.dir)
	if name != auth.AdminName {
		file = filepath.Join(r.dir, "passwords", name)
	}
	password, err := auth.ReadPassword(file)
	if err != nil {
		r.t.Fatal(err)
	}
	return password
}

// as sends a request as somebody; "" is a stranger.
func (r *rig) as(name, method, path, body string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if name != "" {
		req.SetBasicAuth(name, r.password(name))
	}
	client := http.Client{Transport: r.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(got)
}

// must sends a request by admin and wants a status.
func (r *rig) must(method, path, body string, want int) string {
	r.t.Helper()
	resp, got := r.as("admin", method, path, body)
	if resp.StatusCode != want {
		r.t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, want, got)
	}
	return got
}

// until repeats a look until it finds what it looks for.
func (r *rig) until(what string, found func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !found(); {
		if time.Now().After(deadline) {
			r.t.Fatalf("after 20 s still not: %s", what)
		}
	}
}
