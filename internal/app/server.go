package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/build/source"
	"rouse.dev/rouse/internal/bundles"
	"rouse.dev/rouse/internal/cli"
	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/dialect/native"
	"rouse.dev/rouse/internal/dialect/openfaas"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/engine/process"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/gateway"
	"rouse.dev/rouse/internal/logs"
	"rouse.dev/rouse/internal/observe"
	"rouse.dev/rouse/internal/pool"
	queues "rouse.dev/rouse/internal/queue/pebble"
	"rouse.dev/rouse/internal/route"
	"rouse.dev/rouse/internal/secret"
	"rouse.dev/rouse/internal/store/pebble"
	"rouse.dev/rouse/internal/timer"
	"rouse.dev/rouse/templates"
)

// server makes servers out of configurations.
type server struct{ p Process }

func serverOf(p Process) server { return server{p} }

// parts is a server whose parts are made and wired, not running yet. close
// undoes what making them took, in reverse.
type parts struct {
	cfg     conf.Config
	addr    net.Addr // where the server listens
	log     *slog.Logger
	dir     *datadir.Dir
	store   *pebble.Store
	secrets *secret.Keys
	queue   *queues.Queue
	logs    *logs.Store
	observe *observe.Observer
	engine  *process.Engine
	pool    *pool.Pool
	bundles *bundles.Set
	routes  *route.Table
	control *control.Controller
	faas    *openfaas.API
	gateway *gateway.Server
	async   *async.Engine
	timer   *timer.Timer
	fresh   string // password made by this start
	closers []func() error
}

// Up runs a server until ctx ends, and calls ready once it serves.
func (s server) Up(ctx context.Context, cfg conf.Config, ready func(cli.Ready)) (err error) {
	// Listening comes first: of two servers that are meant to be one, the
	// second must change nothing.
	ln, err := listen(ctx, cfg.Listen)
	if err != nil {
		return err
	}
	w := &parts{cfg: cfg, addr: ln.Addr()}
	defer func() { err = errors.Join(err, w.close()) }()
	w.closers = append(w.closers, func() error { _ = ln.Close(); return nil }) // closed before, as a rule
	url := "http://" + reachable(ln.Addr())
	if err := s.make(ctx, w, url); err != nil {
		return err
	}
	if err := w.dir.Announce(reachable(ln.Addr())); err != nil {
		return err
	}
	return w.run(ctx, ln, func() { ready(cli.Ready{URL: url, Password: w.fresh}) })
}

// reachable is an address at which programs on this host reach a listener.
func reachable(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port))
	}
	return a.String()
}

// make opens the state and wires the parts.
func (s server) make(ctx context.Context, w *parts, url string) error {
	log, err := newLog(s.p.Stderr, w.cfg.Log)
	if err != nil {
		return err
	}
	w.log = log
	if err := w.openState(ctx); err != nil {
		return err
	}
	if err := w.openEngine(ctx); err != nil {
		return err
	}
	return s.wire(ctx, w, url)
}

// openState opens what lies in the data folder.
func (w *parts) openState(ctx context.Context) (err error) {
	if w.dir, err = datadir.Open(w.cfg.Data); err != nil {
		return err
	}
	w.closers = append(w.closers, w.dir.Close)
	if w.store, err = pebble.Open(w.dir.Store(), pebble.Config{Log: w.part("store")}); err != nil {
		return err
	}
	w.closers = append(w.closers, w.store.Close)
	sealed, err := control.HasSecrets(ctx, w.store)
	if err != nil {
		return err
	}
	if w.secrets, err = secret.Open(w.dir.Path(), sealed); err != nil {
		return err
	}
	if w.queue, err = queues.Open(w.dir.Queue(), queues.Config{Log: w.part("queue")}); err != nil {
		return err
	}
	w.closers = append(w.closers, w.queue.Close)
	if w.logs, err = logs.Open(w.dir.Logs(), logs.Config{Bytes: int64(w.cfg.Logs.Bytes)}); err != nil {
		return err
	}
	w.closers = append(w.closers, w.logs.Close)
	return nil
}

// openEngine makes the engine and removes what a killed server has left.
func (w *parts) openEngine(ctx context.Context) (err error) {
	if w.engine, err = newEngine(w.cfg, w.dir.Path(), w.dir.Run(), w.log); err != nil {
		return err
	}
	w.closers = append(w.closers, w.engine.Close)
	left, err := w.engine.Recover(ctx)
	if err != nil {
		return fmt.Errorf("cleaning up after an earlier server: %w", err)
	}
	if n := left.Processes + left.Cgroups + left.Namespaces + left.Mounts; n > 0 {
		w.log.Info("cleaned up after a server that was killed", "processes", left.Processes, "cgroups", left.Cgroups,
			"namespaces", left.Namespaces, "mounts", left.Mounts)
	}
	return nil
}

// wire makes everything that keeps nothing on the host by itself.
func (s server) wire(ctx context.Context, w *parts, url string) error {
	set, err := runtimes.Load(templates.FS, filepath.Join(w.dir.Path(), "templates"), w.cfg.Engine.Programs)
	if err != nil {
		return err
	}
	w.openMetrics(s.p.Version)
	w.routes = route.New()
	launcher := &control.Launcher{}
	w.pool = pool.New(pool.Config{
		Engine: w.engine, Source: launcher, Logs: w.logs, Observer: w.observe, Log: w.part("pool"),
		Pending:      func(ref fn.Ref) int { return w.async.Pending(ref) },
		StartsAtOnce: w.cfg.Pool.StartsAtOnce, Tick: w.cfg.Pool.ReapInterval,
	})
	builds, err := newBuilder(w, set, s.p.Lookup)
	if err != nil {
		return err
	}
	if err := s.wireControl(w, set, builds, url); err != nil {
		return err
	}
	launcher.Bind(w.control)
	return s.wireAPI(w)
}

// wireControl makes what turns intent into what runs.
func (s server) wireControl(w *parts, set *runtimes.Set, builds *build.Recorder, url string) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	if w.bundles, err = bundles.Load(); err != nil {
		return err
	}
	w.control = control.New(control.Config{
		Store: w.store, Routes: w.routes, Pool: w.pool, Builder: builds, Builds: builds, Runtimes: set,
		Sources: control.Sources{Dir: w.dir.Sources(), Tmp: w.dir.Tmp(), Limits: source.Limits{
			Packed: int64(w.cfg.Limits.Upload), Bytes: int64(w.cfg.Limits.Unpacked), Entries: w.cfg.Limits.Files,
		}},
		Images: []control.Resolver{brought{w.bundles}},
		Logs:   w.logs, Archive: archive{dir: w.dir, store: w.store, log: w.log}, Engine: w.engine, Log: w.part("control"),
		Secrets: w.secrets, Forget: w.forget(builds), ForgetNamespace: w.forgetNamespace,
		Artifacts: w.dir.Artifacts(), CollectArtifacts: w.dir.CollectArtifacts, Binary: binary,
		Defaults: w.cfg.Defaults.Policy(), Keep: w.cfg.Limits.Revisions,
		Version: s.p.Version, URL: url, Domain: w.cfg.Domain,
	})
	return nil
}

// forget makes what drops all that is kept about a removed function.
func (w *parts) forget(builds *build.Recorder) func(fn.Ref) {
	return func(ref fn.Ref) {
		w.observe.Forget(ref)
		w.async.Forget(ref)
		if err := builds.Forget(ref); err != nil {
			w.log.Warn("a removed function leaves its build's output", "function", ref.String(), "error", err)
		}
	}
}

// forgetNamespace drops what waits for the functions of a removed namespace.
func (w *parts) forgetNamespace(ctx context.Context, name string) error {
	return w.async.ForgetNamespace(ctx, name)
}

// wireAPI makes what answers requests.
func (s server) wireAPI(w *parts) error {
	accounts, err := auth.Load(w.dir.Path(), w.cfg.Auth.Users)
	if err != nil {
		return err
	}
	w.fresh = accounts.Fresh()
	if err := w.makeAsync(s.p.Version); err != nil {
		return err
	}
	metrics, err := w.observe.Handler(observe.Sources{Loads: loads{w.pool}, Queues: rows{w.async}, Numbers: logNumbers(w.logs)}, w.part("metrics"))
	if err != nil {
		return err
	}
	who := auth.NewChecker(accounts, time.Now)
	w.faas = w.newOpenFaaS(who, metrics)
	handler := native.New(native.Config{
		Control: w.control, Calls: w.async, Identify: who.Identify, Log: w.part("api"),
		Metrics: metrics, Settings: w.cfg.Settings(), Upload: int64(w.cfg.Limits.Upload),
	})
	front, err := w.withBundles(doors(w.faas, handler))
	if err != nil {
		return err
	}
	trusted, err := prefixes("gateway.trustedProxies", w.cfg.Gateway.TrustedProxies)
	if err != nil {
		return err
	}
	product := "rouse/" + s.p.Version
	calls := openfaas.NewAsync(openfaas.AsyncConfig{
		Calls: w.async, Identify: who.Identify, Log: w.part("async"), MaxBody: int64(w.cfg.Async.MaxBody), Trusted: trusted, Product: product,
	})
	w.gateway = gateway.New(gateway.Config{
		Routes: w.routes, Pool: w.pool, Recorder: w.observe, API: calls.Route(front), Log: w.part("gateway"),
		Aliases: map[string]string{deployment.DefaultNamespace: fn.DefaultNamespace}, Product: product,
		Domain: w.cfg.Domain, Trusted: trusted, MaxHead: int(w.cfg.Gateway.MaxHead),
		MaxConnections: w.cfg.Gateway.MaxConnections, HeadTimeout: w.cfg.Gateway.HeadTimeout, IdleTimeout: w.cfg.Gateway.IdleTimeout,
	})
	return nil
}

// part is the logger of one part.
func (w *parts) part(name string) *slog.Logger { return w.log.With("component", name) }

// close undoes what making the parts took.
func (w *parts) close() error {
	var errs []error
	for i := len(w.closers) - 1; i >= 0; i-- {
		errs = append(errs, w.closers[i]())
	}
	return errors.Join(errs...)
}

// newLog makes the server's own log.
func newLog(to *os.File, c conf.Log) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, fn.Errorf(fn.Invalid, "log.level: %w", err)
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, o)), nil
	}
	return slog.New(slog.NewTextHandler(to, o)), nil
}
