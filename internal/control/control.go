package control

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/logs"
	"rouse.dev/rouse/internal/pool"
	"rouse.dev/rouse/internal/route"
	"rouse.dev/rouse/internal/secret"
	"rouse.dev/rouse/internal/store"
)

// Pool is what control needs of package pool.
type Pool interface {
	Warm(ctx context.Context, rev fn.RevisionRef, n int) error
	Pin(ctx context.Context, rev fn.RevisionRef, n int) error
	Limit(rev fn.RevisionRef, n int)
	Retire(rev fn.RevisionRef)
	Forget(rev fn.RevisionRef)
	Renew(rev fn.RevisionRef)
	Stats(ref fn.Ref) []pool.Stats
}

// Config is everything a Controller needs.
type Config struct {
	Store    store.Store
	Routes   *route.Table
	Pool     Pool
	Builder  build.Builder
	Builds   *build.Recorder // what the last builds printed; may be nil
	Runtimes *runtimes.Set
	Sources  Sources
	Images   []Resolver // asked in this order for references the store does not know
	Logs     *logs.Store
	Archive  Archive
	Secrets  *secret.Keys
	Engine   engine.Reporter // may be nil
	Forget   func(fn.Ref)    // told of removed functions; may be nil
	// ForgetNamespace is told of removed namespaces: the next one of that name
	// may be somebody else's. May be nil.
	ForgetNamespace func(ctx context.Context, name string) error
	Log             *slog.Logger

	Artifacts        string                          // folder of unpacked artifacts, one each digest
	CollectArtifacts func(remove func() error) error // calls remove while no backup copies artifacts
	Binary           string                          // this program, mounted at /rouse/rouse where a runtime asks for it
	Defaults         fn.Policy                       // for what a function does not say
	Keep             int                             // revisions kept of each function, those with traffic included; default 10
	Version          string
	URL              string // where functions are called: "http://127.0.0.1:8080"
	Domain           string
}

// Controller changes functions. It is safe for use by several goroutines;
// changes of one function happen one after the other.
type Controller struct {
	levelOnce sync.Once
	level     string // isolation of this host; set once by levelOnce

	cfg   Config
	began time.Time
	locks keyedLocks
	seen  recent
	gate  gate // changes of functions are inside; a restore, or removing files, is alone

	mu      sync.Mutex
	pending map[fn.RevisionRef]fn.Revision // guarded by mu: being deployed, not stored yet
	burned  map[fn.Ref]int                 // guarded by mu: highest number used by what the store does not know: failed deploys, removed functions
}

// New makes a controller. Call Load before anything else.
func New(cfg Config) *Controller {
	if cfg.Keep <= 0 {
		cfg.Keep = 10
	}
	return &Controller{
		cfg: cfg, began: time.Now(),
		pending: make(map[fn.RevisionRef]fn.Revision),
		burned:  make(map[fn.Ref]int),
	}
}

// Load builds the routing table from the store, makes the default namespace
// if there is none, and has the pool start what must always run.
func (c *Controller) Load(ctx context.Context) error {
	functions, err := c.loadRoutes(ctx)
	if err != nil {
		return err
	}
	if err := c.checkKeys(ctx); err != nil {
		return err
	}
	for _, f := range functions {
		c.pin(ctx, f)
	}
	return nil
}

// loadRoutes sets the routes of all functions in the store.
func (c *Controller) loadRoutes(ctx context.Context) ([]fn.Function, error) {
	if err := c.ensureDefaultNamespace(ctx); err != nil {
		return nil, err
	}
	objects, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindFunctions})
	if err != nil {
		return nil, fmt.Errorf("listing functions: %w", err)
	}
	functions := make([]fn.Function, 0, len(objects))
	for _, o := range objects {
		f, err := decode[fn.Function](o)
		if err != nil {
			return nil, err
		}
		functions = append(functions, f)
	}
	for _, f := range functions {
		c.cfg.Routes.Set(route.NewEntry(f.Ref, f.Spec.Limits.Timeout, f.Traffic))
	}
	return functions, nil
}

// begin starts a change of one function: nobody else changes it, and there is
// no restore, until end.
func (c *Controller) begin(ctx context.Context, ref fn.Ref) (end func(), err error) {
	unlock, err := c.locks.lock(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := c.gate.enter(ctx); err != nil {
		unlock()
		return nil, err
	}
	return func() {
		c.gate.leave()
		unlock()
	}, nil
}

// beginExisting is begin for a function that must exist: it comes with the
// version it has in the store.
func (c *Controller) beginExisting(ctx context.Context, ref fn.Ref) (f fn.Function, version uint64, end func(), err error) {
	if end, err = c.begin(ctx, ref); err != nil {
		return f, 0, nil, err
	}
	if f, version, err = c.get(ctx, ref); err != nil {
		end()
		return f, 0, nil, err
	}
	return f, version, end, nil
}

func (c *Controller) ensureDefaultNamespace(ctx context.Context) error {
	_, err := c.CreateNamespace(ctx, fn.DefaultNamespace, nil, nil)
	if fn.KindOf(err) == fn.Conflict {
		return nil
	}
	return err
}

// pin tells the pool how many instances of a function must always run.
func (c *Controller) pin(ctx context.Context, f fn.Function) {
	n := floor(f)
	for _, t := range f.Traffic {
		if t.Weight == 0 {
			continue
		}
		if err := c.cfg.Pool.Pin(ctx, fn.RevisionRef{Ref: f.Ref, Number: t.Revision}, n); err != nil {
			c.cfg.Log.Error("function cannot be kept running", "function", f.Ref.String(), "error", err)
		}
	}
}

// floor is how many instances a function must always have.
func floor(f fn.Function) int {
	if f.Replicas != nil {
		return *f.Replicas
	}
	return f.Spec.Scale.Min
}

// get reads a function and the version it has in the store.
func (c *Controller) get(ctx context.Context, ref fn.Ref) (fn.Function, uint64, error) {
	o, err := c.getObject(ctx, ref)
	if err != nil {
		return fn.Function{}, 0, err
	}
	f, err := decode[fn.Function](o)
	return f, o.Version, err
}

// getObject reads a function as text.
func (c *Controller) getObject(ctx context.Context, ref fn.Ref) (store.Object, error) {
	o, err := c.cfg.Store.Get(ctx, functionKey(ref))
	if fn.KindOf(err) == fn.NotFound && err != nil {
		err = fn.WithHint(fn.Errorf(fn.NotFound, "there is no function %s", ref), "rouse list shows what there is")
	}
	return o, err
}

// revision reads a revision, deployed or being deployed.
func (c *Controller) revision(ctx context.Context, rev fn.RevisionRef) (fn.Revision, error) {
	c.mu.Lock()
	r, ok := c.pending[rev]
	c.mu.Unlock()
	if ok {
		return r, nil
	}
	o, err := c.cfg.Store.Get(ctx, revisionKey(rev))
	if err != nil {
		if fn.KindOf(err) == fn.NotFound {
			err = fn.WithHint(fn.Errorf(fn.NotFound, "%s has no revision %d", rev.Ref, rev.Number),
				"rouse revisions %s shows what is kept", rev.Name)
		}
		return fn.Revision{}, err
	}
	return decode[fn.Revision](o)
}
