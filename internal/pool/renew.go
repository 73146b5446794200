package pool

import (
	"context"
	"slices"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Renew replaces the instances of a revision by ones that begin from now on,
// because what Launch.Files returns has changed. No call fails of it: an
// instance that is awake serves until the one in its place is ready, for which
// there may be more than Scale.Max of them for a moment, and if that one does
// not start it serves on. Instances that are asleep end at once.
func (p *Pool) Renew(rev fn.RevisionRef) {
	g := p.find(&rev)
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gen++; g.gone || g.retired || p.closing.Load() {
		return
	}
	g.notBefore = time.Time{} // what kept it from starting may be gone
	for _, i := range slices.Clone(g.insts) {
		switch i.state {
		case freezing, frozen:
			i.drainLocked()
		case ready, thawing:
			g.startLocked()
		}
	}
	now := time.Now()
	g.ensureLocked(g.pin, now)
	if len(g.waiters) > 0 {
		g.growLocked(now)
	}
	g.changedLocked()
}

// renewLocked is called with an instance that has become ready: it takes the
// place of one from before Renew, or is one and needs to be replaced itself.
func (g *group) renewLocked(i *instance) {
	if i.state == draining {
		return
	}
	if i.gen < g.gen {
		g.startLocked()
		return
	}
	for _, old := range g.insts {
		if old.gen < g.gen && old.state != draining {
			old.drainLocked()
			return
		}
	}
}

// files reads what instance i alone may read, and notes as of when.
func (g *group) files(ctx context.Context, i *instance) ([]engine.File, error) {
	g.mu.Lock()
	i.gen = g.gen
	g.mu.Unlock()
	if g.launch.Files == nil {
		return nil, nil
	}
	return g.launch.Files(ctx)
}
