package pool

import (
	"context"
	"slices"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/scale"
)

// group is the live side of one revision. A revision without instances, held
// calls or a recent failure has none.
type group struct {
	p      *Pool
	rev    fn.RevisionRef
	launch Launch // immutable

	mu        sync.Mutex
	gone      bool          // removed from the pool: look again
	insts     []*instance   // ready, freezing, frozen, thawing or draining
	starting  int           // instances being made
	surplus   int           // of those, how many are to end once they are ready, unless calls come
	waiters   []*waiter     // held calls, first come first served
	inflight  int           // slots in use
	pin       int           // instances to keep whatever the traffic
	gen       int           // how often the instances were renewed
	retired   bool          // takes no new traffic: idle instances go at once
	lastUse   time.Time     // last time a call came or went
	changed   chan struct{} // closed, and made anew, when insts or failures change
	forgotten chan struct{} // closed by Forget: starts under way are given up
	fails     int           // starts and early exits that failed since the last success
	notBefore time.Time     // no start before this moment: crash-loop back-off
	lastFail  *fn.Failure   // why the last start or instance failed

	// what the scale decider is told at the next sample
	load, samples int         // sum of calls in hand and held at each tick; number of ticks
	arrivals      int         // calls since the last sample
	bursts        int         // instances started on the spot since then
	scaler        scale.State // what the decider remembers
	nextScale     time.Time
	wanted        int     // what it said last
	measuring     bool    // a goroutine reads what only others know, and will decide
	cpu           float64 // thousandths of a core in use, as measured last; for that metric only
	pending       int     // asynchronous calls waiting, as measured last; for that metric only
}

// waiter is a held call. granted is guarded by the group's mu.
type waiter struct {
	grant   chan grant // capacity 1
	granted bool
}

// grant is a reserved slot of an instance, or why there is none, or that the
// group is gone.
type grant struct {
	inst  *instance
	fail  *fn.Failure
	again bool
}

// try takes an idle connection of a ready instance, or returns nil.
func (g *group) try(id fn.CallID) *Slot {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone || len(g.waiters) > 0 {
		return nil
	}
	inst := g.pickLocked()
	if inst == nil || len(inst.idle) == 0 {
		return nil
	}
	s := inst.idle[len(inst.idle)-1]
	if s.stale() {
		return nil
	}
	inst.idle = inst.idle[:len(inst.idle)-1]
	inst.takeLocked(id)
	s.Kind, s.Timing = fn.Warm, fn.Timing{}
	return s
}

// admit takes a slot, waiting for one within ctx. again means that the group
// is gone, or the instance died under us: the caller looks the group up again.
func (g *group) admit(ctx context.Context, id fn.CallID) (s *Slot, again bool, err error) {
	began := time.Now()
	g.mu.Lock()
	if g.gone {
		g.mu.Unlock()
		return nil, true, nil
	}
	if len(g.waiters) == 0 {
		if inst := g.pickLocked(); inst != nil {
			inst.takeLocked(id)
			g.mu.Unlock()
			return g.connect(ctx, inst, fn.Warm, began)
		}
	}
	if fail := g.refuseLocked(began); fail != nil {
		g.mu.Unlock()
		return nil, false, fail
	}
	kind := g.heldKindLocked()
	w := &waiter{grant: make(chan grant, 1)}
	g.waiters = append(g.waiters, w)
	g.arrivals++
	g.lastUse = began
	g.growLocked(began)
	g.mu.Unlock()

	var got grant
	select {
	case got = <-w.grant:
	case <-ctx.Done():
		var abandoned bool
		if got, abandoned = g.abandon(w); abandoned {
			return nil, false, g.gaveUp(ctx, began)
		}
	}
	if got.again {
		return nil, true, nil
	}
	if got.fail != nil {
		return nil, false, got.fail
	}
	got.inst.tag(id)
	return g.connect(ctx, got.inst, kind, began)
}

// heldKindLocked says what a call that arrives now will wait for.
func (g *group) heldKindLocked() fn.StartKind {
	kind := fn.Cold
	for _, i := range g.insts {
		switch i.state {
		case frozen, freezing, thawing:
			return fn.Thaw
		case ready:
			kind = fn.Held
		}
	}
	return kind
}

// abandon takes a waiter whose caller left out of the queue. If it was granted
// a slot in the meantime that grant is returned instead.
func (g *group) abandon(w *waiter) (got grant, abandoned bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.granted {
		return <-w.grant, false
	}
	g.waiters = slices.DeleteFunc(g.waiters, func(o *waiter) bool { return o == w })
	return grant{}, true
}

// pickLocked returns the ready instance with the fewest calls in hand that
// has a free slot, or nil.
func (g *group) pickLocked() *instance {
	var best *instance
	for _, i := range g.insts {
		if i.state != ready || i.calls >= g.launch.Policy.Scale.Concurrency {
			continue
		}
		if best == nil || i.calls < best.calls {
			best = i
		}
	}
	return best
}

// dispatchLocked gives free slots to held calls.
func (g *group) dispatchLocked() {
	for len(g.waiters) > 0 {
		inst := g.pickLocked()
		if inst == nil {
			return
		}
		w := g.waiters[0]
		g.waiters = g.waiters[1:]
		inst.calls++
		inst.sole = false
		g.inflight++
		w.granted = true
		w.grant <- grant{inst: inst}
	}
	g.waiters = nil // let go of the backing array
}

// failWaitersLocked ends every held call with fail.
func (g *group) failWaitersLocked(fail *fn.Failure) {
	for _, w := range g.waiters {
		w.granted = true
		w.grant <- grant{fail: fail}
	}
	g.waiters = nil
}

// growLocked makes room for the held calls: frozen instances are thawed
// first, then as many are started, at once, as the calls need.
func (g *group) growLocked(now time.Time) {
	g.surplus = 0
	per := g.launch.Policy.Scale.Concurrency
	demand, live := len(g.waiters), 0
	for _, i := range g.insts {
		switch i.state {
		case freezing, thawing:
			demand -= per
		case frozen:
			if demand > 0 {
				i.thawLocked()
				demand -= per
			}
		}
		if i.state != draining {
			live++
		}
	}
	if demand -= g.starting * per; demand <= 0 || now.Before(g.notBefore) {
		return
	}
	n := scale.Burst((live+g.starting)*per, demand, per, live, g.starting, g.maxLocked())
	n = scale.First(n, live+g.starting, g.launch.Policy.Scale.Activation, g.maxLocked())
	g.bursts += n
	for range n {
		g.startLocked()
	}
}

// maxLocked is how many instances there may be.
func (g *group) maxLocked() int {
	return max(g.launch.Policy.Scale.Max, g.pin)
}

// liveLocked counts the instances that take or will take calls.
func (g *group) liveLocked() int {
	n := g.starting
	for _, i := range g.insts {
		if i.state != draining {
			n++
		}
	}
	return n
}

// changedLocked wakes those who wait for the group to change.
func (g *group) changedLocked() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// ensureLocked starts instances until n live.
func (g *group) ensureLocked(n int, now time.Time) {
	if now.Before(g.notBefore) {
		return
	}
	for g.liveLocked() < n {
		g.startLocked()
	}
}

// startLocked begins one start.
func (g *group) startLocked() {
	g.starting++
	g.p.spawn(g.start)
}
