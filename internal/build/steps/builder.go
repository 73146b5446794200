package steps

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Runner starts sandboxes: the part of an engine that builds need.
type Runner interface {
	Start(ctx context.Context, spec engine.Spec) (engine.Instance, error)
}

// Config says where things are and how much they may use. Work, Caches and
// Artifacts are folders of one file system; missing ones are made.
type Config struct {
	Runtimes  *runtimes.Set
	Runner    Runner
	Work      string // builds at work, each in a folder that goes with it
	Caches    string // the tools' download and compile caches, one folder for each namespace and runtime
	Artifacts string // what was built, each in a folder named by the hex digits of its digest

	Env         map[string]string // what the tools see of the server's environment
	Limits      fn.Limits         // of one build; defaults: 2 GiB, 2 cores, 512 processes, 1 GiB of /tmp, 10 minutes
	MaxArtifact int64             // bytes; default 1 GiB
	MaxWork     int64             // bytes a build may have on disk while it runs, its cache included; default 8 GiB
	Watch       time.Duration     // how often that is measured; default 2 s
	Log         *slog.Logger      // default: none
}

// Builder implements build.Keyed.
type Builder struct{ cfg Config }

// New checks the configuration and makes the folders.
func New(cfg Config) (*Builder, error) {
	l := &cfg.Limits
	def(&l.Memory, 2<<30)
	def(&l.CPU, 2000)
	def(&l.Pids, 512)
	def(&l.Tmp, 1<<30)
	def(&l.Timeout, 10*time.Minute)
	def(&cfg.MaxArtifact, 1<<30)
	def(&cfg.MaxWork, 8<<30)
	def(&cfg.Watch, 2*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for _, dir := range []string{cfg.Work, cfg.Caches, cfg.Artifacts} {
		if !filepath.IsAbs(dir) {
			return nil, fn.Errorf(fn.Invalid, "builds: %q is not an absolute folder", dir)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fn.Errorf(fn.Internal, "builds: %w", err)
		}
	}
	return &Builder{cfg: cfg}, nil
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Sweep removes what builds of a killed server left in the work folder. Call
// it before the first build.
func (b *Builder) Sweep() error {
	entries, err := os.ReadDir(b.cfg.Work)
	if err != nil {
		return fn.Errorf(fn.Internal, "sweeping builds: %w", err)
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, removeAll(filepath.Join(b.cfg.Work, e.Name())))
	}
	return errors.Join(errs...)
}

// Key implements build.Keyed. Namespaces are kept apart: what one tenant's
// tools made of a source, with a cache that tenant has written to, is not
// given to another.
func (b *Builder) Key(_ context.Context, req build.Request) (string, error) {
	plan, err := b.resolve(req)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", req.Ref.Namespace, req.SourceDigest, plan.Digest))
	return hex.EncodeToString(sum[:]), nil
}

func (b *Builder) resolve(req build.Request) (runtimes.Plan, error) {
	root, err := os.OpenRoot(req.Source)
	if err != nil {
		return runtimes.Plan{}, fn.Errorf(fn.Internal, "opening the source: %w", err)
	}
	defer root.Close()
	return b.cfg.Runtimes.Resolve(req.Spec, root.FS())
}

// Build implements build.Builder.
func (b *Builder) Build(ctx context.Context, req build.Request, progress func(build.Event)) (a fn.Artifact, err error) {
	plan, err := b.resolve(req)
	if err != nil {
		return fn.Artifact{}, err
	}
	w, err := b.open(req, plan)
	if err != nil {
		return fn.Artifact{}, err
	}
	defer func() {
		if rerr := removeAll(w.dir); rerr != nil {
			b.cfg.Log.Warn("a build's folder cannot be removed", "function", req.Ref.String(), "error", rerr)
		}
	}()
	out := &output{progress: progress}
	defer out.close()
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.Limits.Timeout, errTooSlow)
	defer cancel()
	ctx, stop := b.watch(ctx, w)
	defer stop()
	for i, step := range plan.Steps {
		if err := b.step(ctx, w, i, step, out); err != nil {
			return fn.Artifact{}, err
		}
	}
	stop() // nothing writes there any more
	return b.keep(w)
}

// work is one build's folders, as the host sees them.
type work struct {
	req    build.Request
	plan   runtimes.Plan
	id     string
	dir    string // all of it
	tools  string // the runtime's files, seen at /function
	build  string // source, out, tmp and home, seen at buildDir
	cache  string // seen at cacheDir
	values runtimes.Values
}

// Where a step sees its folders.
const (
	buildDir = "/build"
	cacheDir = "/cache"
)

// open makes the folders of a build and lays the source and the runtime's
// files into them.
func (b *Builder) open(req build.Request, plan runtimes.Plan) (w *work, err error) {
	id := "build-" + strings.ToLower(rand.Text()[:12])
	dir := filepath.Join(b.cfg.Work, id)
	w = &work{
		req: req, plan: plan, id: id, dir: dir,
		tools: filepath.Join(dir, "tools"), build: filepath.Join(dir, "build"),
		cache: filepath.Join(b.cfg.Caches, req.Ref.Namespace, plan.Runtime.Name),
	}
	out := buildDir + "/out"
	if plan.Runtime.Artifact == "source" {
		out = buildDir + "/source"
	}
	w.values = plan.Values.With(runtimes.Values{
		"source": buildDir + "/source", "out": out, "cache": cacheDir, "runtime": runtimes.Root,
	})
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(dir))
		}
	}()
	for _, d := range []string{w.tools, w.cache, w.at("source"), w.at("out"), w.at("tmp"), w.at("home")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fn.Errorf(fn.Internal, "making a build's folders: %w", err)
		}
	}
	if err := b.shrink(w.cache); err != nil {
		return nil, err
	}
	return w, w.fill()
}

// at is a folder below build.
func (w *work) at(name string) string { return filepath.Join(w.build, name) }

// fill copies the source and the runtime's files.
func (w *work) fill() error {
	if err := copyTree(w.req.Source, w.at("source")); err != nil {
		return err
	}
	tools, err := os.OpenRoot(w.tools)
	if err != nil {
		return fn.Errorf(fn.Internal, "opening a build's folder: %w", err)
	}
	defer tools.Close()
	if _, err := runtimes.Copy(tools, w.plan.Runtime.FS, ".", nil); err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	source, err := os.OpenRoot(w.at("source"))
	if err != nil {
		return fn.Errorf(fn.Internal, "opening a build's folder: %w", err)
	}
	defer source.Close()
	for _, f := range w.plan.Files {
		if err := w.place(source, f); err != nil {
			return err
		}
	}
	return nil
}

// place puts one file or folder of the runtime into the source.
func (w *work) place(source *os.Root, f runtimes.File) error {
	from := path.Clean(f.From)
	info, err := fs.Stat(w.plan.Runtime.FS, from)
	if err != nil {
		return fn.Errorf(fn.Internal, "runtime %s: %w", w.plan.Runtime.Name, err)
	}
	if _, err := source.Lstat(f.To); err == nil {
		return fn.WithHint(fn.Errorf(fn.Invalid, "the source has %q, a name the platform needs", f.To), "rename it")
	}
	if !info.IsDir() {
		err = runtimes.CopyFile(source, w.plan.Runtime.FS, from, f.To, w.plan.Values)
	} else if sub, serr := fs.Sub(w.plan.Runtime.FS, from); serr != nil {
		err = serr
	} else {
		_, err = runtimes.Copy(source, sub, f.To, w.plan.Values)
	}
	if err != nil {
		return fn.Errorf(fn.Internal, "runtime %s: %w", w.plan.Runtime.Name, err)
	}
	return nil
}
