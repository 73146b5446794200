// Package pool keeps the live instances of revisions.
//
// It admits calls, holds them while an instance starts, balances, freezes,
// drains and reaps.
//
// It does not speak HTTP (gateway does) and does not decide how many instances
// a function should have over time (scale does). All goroutines it starts are
// owned by Run, which returns when the last has ended.
package pool

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Source knows how to start a revision.
type Source interface {
	// Launch returns what is needed to start instances of rev, or an
	// fn.NotFound error. It is called once each time a revision goes from no
	// instance to some.
	Launch(ctx context.Context, rev fn.RevisionRef) (Launch, error)
}

// Launch is a revision made ready to start.
type Launch struct {
	Root    string // host folder mounted at /function
	Program fn.Program
	Env     map[string]string
	Policy  fn.Policy // with defaults
	Mounts  []engine.Mount

	// Files returns the instance's private files; it is asked for each
	// instance anew, and nothing of its answer is kept. Nil: there are none.
	Files func(ctx context.Context) ([]engine.File, error)
}

// Logs receives what instances print.
type Logs interface {
	// Writer returns where one stream ("stdout", "stderr") of an instance goes.
	// call says which call the instance is working on, if that is known.
	Writer(rev fn.RevisionRef, instance, stream string, call func() (fn.CallID, bool)) io.WriteCloser
	// Last returns the instance's last lines, at most fn.MaxFailureOutput.
	Last(instance string) []string
}

// Observer is told of starts and ends. Its methods must not block.
type Observer interface {
	// InstanceStarted reports a start that succeeded (err nil) or failed.
	InstanceStarted(rev fn.RevisionRef, start, init time.Duration, err error)
	// InstanceExited reports an end; expected is true when we asked for it.
	InstanceExited(rev fn.RevisionRef, exit engine.Exit, expected bool)
}

// Config is everything a Pool needs.
type Config struct {
	Engine   engine.Engine
	Source   Source
	Logs     Logs
	Observer Observer // may be nil
	Log      *slog.Logger
	Pending  func(fn.Ref) int // asynchronous calls of a function that wait, for the metric "queue"; nil: none ever

	StartsAtOnce int           // instances being started at the same time, slow ones not counted; default 4 × processors
	Tick         time.Duration // how often idle and surplus instances are looked for; default 200 ms
	StopGrace    time.Duration // from SIGTERM to SIGKILL; default 2 s
}

// Pool is safe for use by several goroutines.
type Pool struct {
	cfg    Config
	prefix string        // of instance ids: tells two servers' instances apart in logs
	serial atomic.Uint64 // of instance ids
	starts chan struct{} // semaphore of StartsAtOnce; see startTurn

	seed    maphash.Seed
	shards  [64]groupShard
	forgets atomic.Uint64 // calls of Forget: what Source said before may be out of date

	closing atomic.Bool // set once by Run when it ends: nothing new is admitted

	workMu sync.Mutex
	work   []func(context.Context) // guarded by workMu: goroutines Run has yet to start
	active int                     // guarded by workMu: those, and the ones running
	wake   chan struct{}           // capacity 1: work or active changed
}

type groupShard struct {
	mu sync.RWMutex
	m  map[fn.RevisionRef]*group // revision → its live instances; only active ones
}

// New makes a pool. Nothing happens until Run.
func New(cfg Config) *Pool {
	if cfg.StartsAtOnce <= 0 {
		cfg.StartsAtOnce = 4 * runtime.GOMAXPROCS(0)
	}
	if cfg.Tick <= 0 {
		cfg.Tick = 200 * time.Millisecond
	}
	if cfg.StopGrace <= 0 {
		cfg.StopGrace = 2 * time.Second
	}
	p := &Pool{
		cfg:    cfg,
		prefix: strings.ToLower(rand.Text()[:6]),
		starts: make(chan struct{}, cfg.StartsAtOnce),
		seed:   maphash.MakeSeed(),
		wake:   make(chan struct{}, 1),
	}
	for i := range p.shards {
		p.shards[i].m = make(map[fn.RevisionRef]*group)
	}
	return p
}

// spawn has Run start f in a goroutine of its own. f's context ends with Run's.
func (p *Pool) spawn(f func(context.Context)) {
	p.workMu.Lock()
	p.work = append(p.work, f)
	p.active++
	p.workMu.Unlock()
	p.signal()
}

func (p *Pool) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run starts and waits for everything the pool does in the background. When
// ctx ends it refuses new calls, fails those it holds, stops every instance
// and returns once all are gone.
func (p *Pool) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	tick := time.NewTicker(p.cfg.Tick)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.wake:
			p.startWork(ctx, &wg)
		case now := <-tick.C:
			p.sweep(now)
		}
	}
	p.closing.Store(true)
	p.stopAll()
	for p.startWork(ctx, &wg); p.busy(); p.startWork(ctx, &wg) {
		<-p.wake
	}
	wg.Wait()
	return nil
}

// startWork starts what spawn has queued.
func (p *Pool) startWork(ctx context.Context, wg *sync.WaitGroup) {
	p.workMu.Lock()
	work := p.work
	p.work = nil
	p.workMu.Unlock()
	for _, f := range work {
		wg.Go(func() {
			defer func() {
				p.workMu.Lock()
				p.active--
				p.workMu.Unlock()
				p.signal()
			}()
			f(ctx)
		})
	}
}

func (p *Pool) busy() bool {
	p.workMu.Lock()
	defer p.workMu.Unlock()
	return p.active > 0
}

// shard returns the part of the pool that holds rev.
func (p *Pool) shard(rev *fn.RevisionRef) *groupShard {
	return &p.shards[maphash.Comparable(p.seed, *rev)%uint64(len(p.shards))]
}

// find returns rev's group, or nil if it has none.
func (p *Pool) find(rev *fn.RevisionRef) *group {
	s := p.shard(rev)
	s.mu.RLock()
	g := s.m[*rev]
	s.mu.RUnlock()
	return g
}

// open returns rev's group, made if need be.
func (p *Pool) open(ctx context.Context, rev *fn.RevisionRef) (*group, error) {
	for {
		if g := p.find(rev); g != nil {
			return g, nil
		}
		asked := p.forgets.Load()
		launch, err := p.cfg.Source.Launch(ctx, *rev)
		if err != nil {
			return nil, err
		}
		if g := p.add(rev, launch, asked); g != nil {
			return g, nil
		}
	}
}

// add makes rev's group unless there is one. It returns nil if a revision was
// forgotten since Source was asked: it must be asked again.
func (p *Pool) add(rev *fn.RevisionRef, launch Launch, asked uint64) *group {
	s := p.shard(rev)
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.m[*rev]; g != nil {
		return g
	}
	if p.forgets.Load() != asked {
		return nil
	}
	g := &group{p: p, rev: *rev, launch: launch, changed: make(chan struct{}), forgotten: make(chan struct{}), lastUse: time.Now()}
	s.m[*rev] = g
	return g
}

// forget removes an empty group. The caller holds g.mu and has set g.gone.
func (p *Pool) forget(g *group) {
	s := p.shard(&g.rev)
	s.mu.Lock()
	if s.m[g.rev] == g {
		delete(s.m, g.rev)
	}
	s.mu.Unlock()
}

// groups returns the active groups as of now.
func (p *Pool) groups() []*group {
	var all []*group
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.RLock()
		for _, g := range s.m {
			all = append(all, g)
		}
		s.mu.RUnlock()
	}
	return all
}
