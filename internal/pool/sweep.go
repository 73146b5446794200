package pool

import (
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

const (
	scaleEvery   = 2 * time.Second  // how often a group's size is decided on
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
	} else if g.pin > 0 && !g.p.closing.Load() {
		g.ensureLocked(g.pin, now)
	}
	g.reapLocked(now)
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

// reapLocked ends instances that have been idle for long.
func (g *group) reapLocked(now time.Time) {
	after := g.launch.Policy.Scale.Idle
	if g.retired {
		after = 0
	}
	live := g.liveLocked()
	for _, i := range g.insts {
		if live <= g.pin || len(g.waiters) > 0 {
			return
		}
		if (i.state == ready || i.state == frozen) && i.calls == 0 && now.Sub(i.idleSince) >= after {
			i.drainLocked()
			live--
		}
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
