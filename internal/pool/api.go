package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/scale"
)

// Try takes a slot of a ready instance with a kept-alive connection, or
// returns nil at once: call Admit then. id tags what the instance prints.
func (p *Pool) Try(rev *fn.RevisionRef, id fn.CallID) *Slot {
	if g := p.find(rev); g != nil {
		return g.try(id)
	}
	return nil
}

// Admit takes a slot for one call: of a ready instance, else of a thawed one,
// else it holds the call while one is started. ctx bounds the wait; its cause
// is reported. The error is a *fn.Failure.
func (p *Pool) Admit(ctx context.Context, rev *fn.RevisionRef, id fn.CallID) (*Slot, error) {
	// An instance can die between being picked and being dialled; more than a
	// few such deaths in a row are the function's own doing.
	const most = 4
	var last error
	for range most {
		if p.closing.Load() {
			return nil, shuttingDown()
		}
		g, err := p.open(ctx, rev)
		if err != nil {
			return nil, cannotLoad(rev, err)
		}
		s, again, err := g.admit(ctx, id)
		if !again {
			return s, err
		}
		if err != nil {
			last = err
		}
	}
	if last != nil {
		return nil, last
	}
	return nil, shuttingDown()
}

func cannotLoad(rev *fn.RevisionRef, err error) *fn.Failure {
	if f, ok := errors.AsType[*fn.Failure](err); ok {
		return f
	}
	return &fn.Failure{
		Kind: fn.KindOf(err), Phase: fn.PhaseRoute, Cause: "no-revision", Err: err,
		Message: fmt.Sprintf("revision %d of %s cannot be loaded", rev.Number, rev.Ref), Hint: fn.Hint(err),
	}
}

// Warm starts instances until n of rev are ready, and returns nil then, or the
// first failure of a start. With n 0 it returns at once. What was retired is
// not any more; if rev gets no traffic after all, Retire or Forget it.
func (p *Pool) Warm(ctx context.Context, rev fn.RevisionRef, n int) error {
	if n <= 0 {
		return nil
	}
	for {
		g, err := p.open(ctx, &rev)
		if err != nil {
			return cannotLoad(&rev, err)
		}
		again, err := g.warm(ctx, n)
		if !again {
			return err
		}
	}
}

func (g *group) warm(ctx context.Context, n int) (again bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.lastFail
	g.notBefore, g.retired, g.surplus = time.Time{}, false, 0 // somebody asks: try now
	for {
		switch {
		case g.gone:
			return true, nil
		case g.p.closing.Load():
			return false, shuttingDown()
		case g.lastFail != before:
			return false, g.lastFail
		}
		if g.liveLocked()-g.starting >= min(n, g.maxLocked()) {
			return false, nil
		}
		g.lastUse = time.Now()
		g.ensureLocked(min(n, g.maxLocked()), g.lastUse)
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		g.mu.Lock()
		if ctx.Err() != nil {
			return false, fn.Errorf(causeKind(ctx), "waiting for %d instances of revision %d of %s: %w", n, g.rev.Number, g.rev.Ref, context.Cause(ctx))
		}
	}
}

// causeKind is the kind of error that the end of ctx is.
func causeKind(ctx context.Context) fn.Kind {
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fn.Timeout
	}
	return fn.Canceled
}

// Pin keeps at least n instances of rev whatever the traffic, in the
// background; 0 lets it go to zero again.
func (p *Pool) Pin(ctx context.Context, rev fn.RevisionRef, n int) error {
	if n == 0 && p.find(&rev) == nil {
		return nil
	}
	for {
		g, err := p.open(ctx, &rev)
		if err != nil {
			return err
		}
		if g.setPin(n) {
			return nil
		}
	}
}

func (g *group) setPin(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return false
	}
	g.pin, g.retired, g.surplus = n, false, 0
	g.ensureLocked(n, time.Now())
	return true
}

// Limit drains instances of rev beyond n at once, those that start as soon as
// they can be: the downward half of "scale --replicas".
func (p *Pool) Limit(rev fn.RevisionRef, n int) {
	g := p.find(&rev)
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.scaler = scale.State{} // what was wanted before is of no interest
	g.shrinkLocked(n)
	g.surplus = min(g.starting, max(g.liveLocked()-n, 0))
}

// Retire lets the instances of a revision that takes no new traffic finish
// their calls and end.
func (p *Pool) Retire(rev fn.RevisionRef) {
	g := p.find(&rev)
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pin, g.retired = 0, true
	if len(g.waiters) == 0 {
		g.shrinkLocked(0)
	}
}

// Forget takes a revision out of the pool: its instances finish their calls
// and end, what is known of its failures is dropped, and calls held for it are
// admitted anew, to whatever the revision then is. What Source says of it now
// holds from now on, also for starts that asked it before.
func (p *Pool) Forget(rev fn.RevisionRef) {
	p.forgets.Add(1)
	g := p.find(&rev)
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return // in the meantime
	}
	g.gone, g.pin, g.retired = true, 0, true
	for _, w := range g.waiters {
		w.granted = true
		w.grant <- grant{again: true}
	}
	g.waiters = nil
	p.forget(g)
	close(g.forgotten)
	g.shrinkLocked(0)
	g.changedLocked()
}

// shrinkLocked drains instances until n live: idle ones first.
func (g *group) shrinkLocked(n int) {
	extra := g.liveLocked() - g.starting - n
	if extra <= 0 {
		return
	}
	live := slices.DeleteFunc(slices.Clone(g.insts), func(i *instance) bool { return i.state == draining })
	slices.SortFunc(live, func(a, b *instance) int { return a.calls - b.calls })
	for _, i := range live[:extra] {
		i.drainLocked()
	}
	g.changedLocked()
}

// Stats describes one active revision.
type Stats struct {
	Revision  fn.RevisionRef
	Instances []InstanceStats
	Starting  int
	InFlight  int         // calls in instances
	Held      int         // calls waiting
	Wanted    int         // instances the scale decider wants
	Min       int         // instances kept whatever the traffic
	Scale     fn.Scale    // the revision's policy
	Failure   *fn.Failure // why the last start or instance failed; nil if none, or if calls succeeded since
}

// Counts is how many instances a revision has, by state.
type Counts struct{ Starting, Ready, Busy, Frozen, Draining int }

// Counts counts the instances by state.
func (s Stats) Counts() Counts {
	c := Counts{Starting: s.Starting}
	for _, i := range s.Instances {
		switch i.State {
		case "ready":
			c.Ready++
		case "busy":
			c.Busy++
		case "frozen":
			c.Frozen++
		case "draining":
			c.Draining++
		}
	}
	return c
}

// InstanceStats describes one instance.
type InstanceStats struct {
	ID     string
	State  string                       // "ready", "busy", "frozen", "draining"
	Calls  int                          // in hand
	Served int64                        // finished
	Began  time.Time                    //
	Usage  func() (engine.Usage, error) // asks the host; nil if the engine cannot tell
}

// Stats returns the active revisions, in no particular order. ref limits it
// to one function unless it is zero.
func (p *Pool) Stats(ref fn.Ref) []Stats {
	var all []Stats
	for _, g := range p.groups() {
		if ref == (fn.Ref{}) || g.rev.Ref == ref {
			all = append(all, g.stats())
		}
	}
	return all
}

func (g *group) stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := Stats{Revision: g.rev, Starting: g.starting, InFlight: g.inflight, Held: len(g.waiters), Wanted: g.wanted,
		Min: g.pin, Scale: g.launch.Policy.Scale}
	if g.fails > 0 {
		s.Failure = g.lastFail
	}
	for _, i := range g.insts {
		is := InstanceStats{ID: i.id, State: i.word(), Calls: i.calls, Served: i.served, Began: i.began}
		if m, ok := i.box.(engine.Meter); ok {
			is.Usage = m.Usage
		}
		s.Instances = append(s.Instances, is)
	}
	return s
}

// word is the state as users see it.
func (i *instance) word() string {
	switch {
	case i.state == ready && i.calls > 0:
		return "busy"
	case i.state == freezing || i.state == thawing:
		return frozen.String()
	}
	return i.state.String()
}
