package pool

import (
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/scale"
)

const (
	scaleEvery   = 2 * time.Second  // how often a group's size is decided on, at least
	parkedAtMost = 30 * time.Second // an idle connection is closed after this
	portParked   = 2 * time.Second  // … of a program that may close it by itself
	forgetAfter  = time.Minute      // a failed group is remembered this long past its back-off
)

// sweep looks at every active group once. It never blocks on an instance.
func (p *Pool) sweep(now time.Time) {
	for _, g := range p.groups() {
		g.sweep(now)
	}
}

func (g *group) sweep(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return
	}
	if g.emptyLocked(now) {
		g.gone = true
		g.p.forget(g)
		return
	}
	for _, i := range g.insts {
		i.sweepLocked(now)
	}
	if len(g.waiters) > 0 { // a back-off may be over
		g.growLocked(now)
	}
	g.scaleLocked(now)
}

// emptyLocked reports whether nothing is left to keep the group for.
func (g *group) emptyLocked(now time.Time) bool {
	return len(g.insts) == 0 && g.starting == 0 && len(g.waiters) == 0 && g.inflight == 0 && g.pin == 0 &&
		now.Sub(g.lastUse) > g.p.cfg.Tick && (g.fails == 0 || now.Sub(g.notBefore) > forgetAfter)
}

// sweepLocked closes connections nobody used for long, and freezes the
// instance if it is idle.
func (i *instance) sweepLocked(now time.Time) {
	keep := i.idle[:0]
	for _, s := range i.idle {
		if now.Sub(s.parked) > parkedAtMost {
			s.close()
			continue
		}
		keep = append(keep, s)
	}
	clear(i.idle[len(keep):])
	i.idle = keep
	after := i.g.launch.Policy.Scale.Freeze
	if i.state != ready || i.calls > 0 || after < 0 || len(i.g.waiters) > 0 || now.Sub(i.idleSince) < after {
		return
	}
	if f, ok := i.box.(engine.Freezer); ok {
		i.freezeLocked(f)
	}
}

// stale reports whether a parked connection may have been closed by the
// program: shims never do that, other programs have their own time-outs.
func (s *Slot) stale() bool {
	return s.inst.g.launch.Program.Listen == fn.ListenPort && time.Since(s.parked) > portParked
}

// scaleLocked takes a sample and has the decision made when it is due. A
// retired group only empties.
func (g *group) scaleLocked(now time.Time) {
	if g.retired && len(g.waiters) == 0 {
		g.shrinkLocked(0)
		return
	}
	g.load += g.inflight + len(g.waiters)
	g.samples++
	if now.Before(g.nextScale) || g.measuring || g.p.closing.Load() {
		return
	}
	if g.mustMeasure() {
		g.measuring = true
		g.p.spawn(g.measure)
		return
	}
	g.decideLocked(now)
}

// decideLocked asks the decider how many instances there should be, and moves
// towards that.
func (g *group) decideLocked(now time.Time) {
	params := scale.For(g.launch.Policy.Scale, &g.pin) // a revision without traffic has no lower bound
	params.Max = g.maxLocked()
	next, d := scale.Decide(now, params, g.scaler, scale.Sample{
		Concurrency: float64(g.load) / float64(g.samples), Requests: g.arrivals, Started: g.bursts,
		Running: g.liveLocked() - g.starting, Starting: g.starting, CPU: g.cpu, Pending: g.pending,
	})
	g.scaler, g.nextScale = next, now.Add(scaleEvery)
	if d.Again > 0 && d.Again < scaleEvery {
		g.nextScale = now.Add(d.Again)
	}
	g.load, g.samples, g.arrivals, g.bursts = 0, 0, 0, 0
	g.wanted = d.Want
	want := d.Want
	if g.fails > 0 || g.liveLocked() == 0 { // only calls feed a crash loop, or wake what is at zero
		want = min(want, g.pin)
	}
	g.ensureLocked(want, now)
	if len(g.waiters) == 0 {
		g.shrinkLocked(d.Want)
	}
}

// stopAll fails what is held and ends every instance.
func (p *Pool) stopAll() {
	for _, g := range p.groups() {
		g.mu.Lock()
		g.pin = 0
		g.failWaitersLocked(shuttingDown())
		for _, i := range g.insts {
			i.stopLocked()
		}
		g.mu.Unlock()
	}
}
