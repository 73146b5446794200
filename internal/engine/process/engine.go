package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/cgroup"
	"rouse.dev/rouse/internal/engine/process/launch"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/engine/process/seccomp"
	"rouse.dev/rouse/internal/engine/process/uids"
	"rouse.dev/rouse/internal/engine/process/view"
	"rouse.dev/rouse/internal/fn"
)

// Engine starts sandboxed processes. It implements engine.Engine and
// engine.Reporter.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	forkers *launch.Forkers
	groups  *cgroup.Tree
	views   *view.Cache
	uids    *uids.Pool
	spaces  *userSpaces
	level   plan.Level
	checks  []engine.Check // of the levels; written by New only

	filter    *filter
	offline   *filter // without internet sockets
	masks     []plan.Mask
	landlock  int
	rlimits   []plan.Rlimit
	null      int    // /dev/null
	socketDir int    // RunDir/socket
	base      string // User: the prepared root folder

	refill     chan struct{} // tells the keeper that a spare was taken; holds one
	background sync.WaitGroup
	stop       context.CancelFunc
	begin      func() // starts the background work, once

	mu        sync.Mutex
	instances map[string]*instance // guarded by mu
	closed    bool                 // guarded by mu
}

var (
	_ engine.Engine   = (*Engine)(nil)
	_ engine.Reporter = (*Engine)(nil)
)

// New probes the host and makes an engine. It fails only if nothing can be
// isolated here or the run folder cannot be made; Report says what the host
// lacks otherwise.
func New(cfg Config) (*Engine, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, log: cfg.Log.With("component", "process"),
		uids:     uids.New(cfg.UIDBase, cfg.UIDCount, cfg.uidStart()),
		views:    view.NewCache(cfg.view(), cfg.path("view")),
		landlock: landlockABI(), rlimits: rlimits(), masks: masks(), null: -1, socketDir: -1,
		refill: make(chan struct{}, 1), instances: map[string]*instance{},
	}
	ctx, stop := context.WithCancel(context.Background()) // outlives New on purpose: Close ends it
	e.stop = stop
	e.begin = sync.OnceFunc(func() { e.startBackground(ctx) })
	if err := e.open(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) open() (err error) {
	if e.filter, err = newFilter(seccomp.Options{}); err != nil {
		return err
	}
	if e.offline, err = newFilter(seccomp.Options{NoInternet: true}); err != nil {
		return err
	}
	if e.null, err = unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("opening /dev/null: %w", err)
	}
	if e.socketDir, err = unix.Open(e.cfg.path("socket"), unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("opening the socket folder: %w", err)
	}
	e.forkers = launch.New(e.cfg.Forkers)
	e.spaces = &userSpaces{forkers: e.forkers, fds: map[int]*userSpace{}}
	e.groups = cgroup.Open(cgroup.Config{Root: e.cfg.CgroupRoot, ServerID: e.cfg.ServerID, Try: e.tryGroup})
	return e.probe(context.Background()) // New takes no context: it is bounded by what it does
}

// tryGroup starts a process in a control group.
func (e *Engine) tryGroup(into int, tasks []int) error {
	b := &plan.Box{}
	for _, fd := range tasks {
		b.Join = append(b.Join, plan.Join{FD: fd, Name: "probe"})
	}
	p, _ := plan.Compile(b)
	linked := p.Link()
	err := e.forkers.Run(context.Background(), &launch.Request{Cgroup: into, Ops: linked.Ops, Keep: linked})
	if err != nil {
		return explain(p, err)
	}
	return nil
}

// startBackground runs what makes things ahead of need.
func (e *Engine) startBackground(ctx context.Context) {
	e.background.Go(func() { e.keep(ctx) })
	if n := e.cfg.Netns; n != nil {
		e.background.Go(func() {
			if err := n.Run(ctx); err != nil {
				e.log.Error("the networks of sandboxes are not looked after any more", "error", err)
			}
		})
	}
}

// keep makes spare control groups.
func (e *Engine) keep(ctx context.Context) {
	for {
		if err := e.groups.Refill(e.cfg.SpareGroups); err != nil {
			e.log.Warn("cannot make control groups ahead", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-e.refill:
		}
	}
}

func (e *Engine) kick() {
	select {
	case e.refill <- struct{}{}:
	default:
	}
}

// add makes room for an instance under its id.
func (e *Engine) add(i *instance) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fn.Errorf(fn.Unavailable, "the engine is closed")
	}
	if e.instances[i.id] != nil {
		return fn.Errorf(fn.Conflict, "an instance %s exists already", i.id)
	}
	e.instances[i.id] = i
	e.background.Add(1) // until remove
	return nil
}

func (e *Engine) remove(i *instance) {
	e.mu.Lock()
	delete(e.instances, i.id)
	e.mu.Unlock()
	e.background.Done()
}

// Close kills every instance, waits for all that the engine started and gives
// its share of the host back.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	running := make([]*instance, 0, len(e.instances))
	for _, i := range e.instances {
		running = append(running, i)
	}
	e.mu.Unlock()
	for _, i := range running {
		i.kill()
	}
	e.stop()
	e.background.Wait()
	var errs []error
	if e.forkers != nil {
		e.forkers.Close()
		e.spaces.close()
		errs = append(errs, e.groups.Close())
	}
	errs = append(errs, e.views.Close())
	if e.cfg.Netns != nil {
		errs = append(errs, e.cfg.Netns.Close())
	}
	for _, fd := range []int{e.null, e.socketDir} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	if e.base != "" {
		errs = append(errs, os.RemoveAll(e.base))
	}
	_ = os.Remove(e.cfg.shm()) // mostly there is none
	return errors.Join(errs...)
}
