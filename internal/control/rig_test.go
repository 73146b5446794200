package control

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/logs"
	"rouse.dev/rouse/internal/pool"
	"rouse.dev/rouse/internal/route"
	"rouse.dev/rouse/internal/secret"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/memory"
	"rouse.dev/rouse/templates"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a controller with everything around it real, but for the kernel and
// the tools that build.
type rig struct {
	*Controller
	t       *testing.T
	dir     *datadir.Dir
	store   *memory.Store
	engine  *memEngine
	builder *memBuilder
	pool    *pool.Pool
	routes  *route.Table
	stop    func() // ends the pool; the store and the folder stay

	mu        sync.Mutex
	forgotten []fn.Ref // guarded by mu: what Config.Forget was told
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, store: memory.New(memory.Config{})}
	t.Cleanup(func() {
		r.stop()
		if err := errors.Join(r.store.Close(), dir.Close()); err != nil {
			t.Error(err)
		}
	})
	r.start()
	return r
}

// start makes what a server start makes.
func (r *rig) start() {
	r.t.Helper()
	set, err := runtimes.Load(templates.FS, "", []string{"/usr/bin"})
	if err != nil {
		r.t.Fatal(err)
	}
	output, err := logs.Open(r.dir.Logs(), logs.Config{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine, r.builder, r.routes = &memEngine{}, &memBuilder{artifacts: r.dir.Artifacts()}, route.New()
	has, err := HasSecrets(r.t.Context(), r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := secret.Open(r.dir.Path(), has)
	if err != nil {
		r.t.Fatal(err)
	}
	launcher := &Launcher{}
	quiet := slog.New(slog.DiscardHandler)
	r.pool = pool.New(pool.Config{Engine: r.engine, Source: launcher, Logs: output, Log: quiet})
	policy := fn.Default()
	policy.Scale.Freeze = -1
	r.Controller = New(Config{
		Store: r.store, Routes: r.routes, Pool: r.pool, Builder: r.builder, Runtimes: set,
		Sources: Sources{Dir: r.dir.Sources(), Tmp: r.dir.Tmp()},
		Secrets: keys, Logs: output, Archive: memArchive{r.dir, r.store}, Log: quiet, Forget: r.forgot,
		Artifacts: r.dir.Artifacts(), CollectArtifacts: r.dir.CollectArtifacts, Binary: "/bin/rouse",
		Defaults: policy, Version: "v0", URL: "http://127.0.0.1:8080", Keep: 3,
	})
	launcher.Bind(r.Controller)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- r.pool.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, output.Close()); err != nil {
			r.t.Error(err)
		}
		r.engine.wg.Wait()
		if alive, _ := r.engine.alive(); len(alive) > 0 {
			r.t.Errorf("%d instances outlived the pool", len(alive))
		}
	})
	if err := r.Load(r.t.Context()); err != nil {
		r.stop()
		r.t.Fatal(err)
	}
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

func (r *rig) forgot(ref fn.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten = append(r.forgotten, ref)
}

var alpha, beta = fn.Ref{Namespace: "default", Name: "alpha"}, fn.Ref{Namespace: "default", Name: "beta"}

func rev(ref fn.Ref, n int) fn.RevisionRef { return fn.RevisionRef{Ref: ref, Number: n} }

// source accepts a source with that text as its only file.
func (r *rig) source(text string) string {
	r.t.Helper()
	digest, err := r.AcceptSource(r.t.Context(), archiveOf(r.t, text))
	if err != nil {
		r.t.Fatal(err)
	}
	return digest
}

func archiveOf(t *testing.T, text string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "handler.py", Size: int64(len(text)), Mode: 0o644})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err := errors.Join(err, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return &b
}

// try deploys text as a function, changed by more.
func (r *rig) try(ctx context.Context, ref fn.Ref, text string, more func(*Deploy)) (View, error) {
	d := Deploy{Ref: ref, Spec: fn.Spec{Runtime: "python"}}
	if more != nil {
		more(&d)
	}
	if d.Source == "" && d.Artifact == "" && d.Revision == 0 {
		d.Source = r.source(text)
	}
	return r.Deploy(ctx, d, func(Event) {})
}

func (r *rig) deploy(ref fn.Ref, text string, more func(*Deploy)) View {
	r.t.Helper()
	v, err := r.try(r.t.Context(), ref, text, more)
	if err != nil {
		r.t.Fatalf("deploying %s: %v", ref, err)
	}
	return v
}

// call makes a call and returns the revision that served it, and the text it
// was made of.
func (r *rig) call(ref fn.Ref) (fn.RevisionRef, string) {
	r.t.Helper()
	s, spec := r.admit(ref)
	s.Answered = true
	s.Release(true)
	text, err := os.ReadFile(filepath.Join(spec.Root, "handler.py"))
	if err != nil {
		r.t.Fatal(err)
	}
	return spec.Revision, string(text)
}

type running struct {
	Root     string
	Revision fn.RevisionRef
}

// admit begins a call.
func (r *rig) admit(ref fn.Ref) (*pool.Slot, running) {
	r.t.Helper()
	e := r.routes.Lookup([]byte(ref.Namespace), []byte(ref.Name))
	if e == nil {
		r.t.Fatalf("no route to %s", ref)
	}
	s, err := r.pool.Admit(r.t.Context(), e.Pick(0), fn.CallID{})
	if err != nil {
		r.t.Fatalf("calling %s: %v", ref, err)
	}
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	spec := r.engine.live[s.Instance].spec
	return s, running{spec.Root, spec.Revision}
}

// state is everything a change could have changed but the pool.
func (r *rig) state() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	for _, kind := range Kinds() {
		objects, _, err := r.store.List(r.t.Context(), store.Query{Kind: kind})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, o := range objects {
			out[o.Key.String()] = string(o.Value)
		}
	}
	for _, ref := range []fn.Ref{alpha, beta} {
		if e := r.routes.Lookup([]byte(ref.Namespace), []byte(ref.Name)); e != nil {
			out["route of "+ref.String()] = e.Pick(0).String()
		}
	}
	return out
}

// files lists a folder.
func (r *rig) files(dir string) []string {
	r.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// memBuilder makes an artifact of the one file of a source, without tools.
type memBuilder struct {
	artifacts string
	gate      chan struct{} // a build waits for a value; nil: it does not
	began     chan fn.Ref   // told of each build that begins; may be nil

	mu   sync.Mutex
	fail error // guarded by mu
}

func (b *memBuilder) failWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

func (b *memBuilder) Build(ctx context.Context, req build.Request, progress func(build.Event)) (fn.Artifact, error) {
	progress(build.Event{Step: "compile", Line: "compiling"})
	if b.began != nil {
		b.began <- req.Ref
	}
	if b.gate != nil {
		select {
		case <-b.gate:
		case <-ctx.Done():
			return fn.Artifact{}, fn.Errorf(fn.Canceled, "building: %w", context.Cause(ctx))
		}
	}
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		return fn.Artifact{}, fail
	}
	text, err := os.ReadFile(filepath.Join(req.Source, "handler.py"))
	if err != nil {
		return fn.Artifact{}, err
	}
	sum := sha256.Sum256(text)
	name := hex.EncodeToString(sum[:])
	dir := filepath.Join(b.artifacts, name)
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "handler.py"), text, 0o600)); err != nil {
		return fn.Artifact{}, err
	}
	progress(build.Event{Step: "compile", Done: true})
	return fn.Artifact{Digest: "sha256:" + name, Size: int64(len(text)), Program: fn.Program{
		Command: []string{"/bin/handler"}, Listen: fn.ListenSocket, Contract: "http",
		Env: map[string]string{"COLOR": "runtime", "SHIM": "1"},
	}}, nil
}

// artifact is the name of the folder that memBuilder makes of text.
func artifact(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// memArchive is the archive of a data folder whose store is in memory.
type memArchive struct {
	dir   *datadir.Dir
	store *memory.Store
}

func (a memArchive) Backup(ctx context.Context, w io.Writer) error {
	return datadir.Backup(ctx, w, a.dir, a.store)
}

// keepOpen is a store that outlives Restore.
type keepOpen struct{ *memory.Store }

func (keepOpen) Close() error { return nil }

func (a memArchive) Unpack(ctx context.Context, r io.Reader, validate func(store.Object) error) (u Unpacked, err error) {
	twin := memory.New(memory.Config{})
	defer func() { err = errors.Join(err, twin.Close()) }()
	path, err := os.MkdirTemp(a.dir.Tmp(), "restore-")
	if err != nil {
		return u, err
	}
	u.Close = func() error { return os.RemoveAll(path) }
	u.Artifacts = filepath.Join(path, "artifacts")
	err = datadir.Restore(ctx, r, path, datadir.RestoreConfig{
		Open:     func(string) (datadir.Loader, error) { return keepOpen{twin}, nil },
		Validate: validate,
	})
	if err != nil {
		return u, errors.Join(err, u.Close())
	}
	for _, kind := range Kinds() {
		objects, _, err := twin.List(ctx, store.Query{Kind: kind})
		if err != nil {
			return u, err
		}
		u.Objects = append(u.Objects, objects...)
	}
	return u, nil
}

// mentions fails the test unless err is of kind k and has all the words.
func mentions(t *testing.T, err error, k fn.Kind, words ...string) {
	t.Helper()
	if err == nil || fn.KindOf(err) != k {
		t.Errorf("error %v is of kind %s, want %s", err, fn.KindOf(err), k)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not mention %q", err, w)
		}
	}
}
