package pool

import (
	"context"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// reading is what an instance's meter said last. It belongs to the goroutine
// that measures the group: there is never more than one.
type reading struct {
	at  time.Time     // zero: never read
	cpu time.Duration // since the instance's start
}

// mustMeasure reports whether the decider needs something that only others
// know, and that must not be asked for under the group's lock.
func (g *group) mustMeasure() bool {
	switch g.launch.Policy.Scale.Metric {
	case fn.MetricCPU:
		return true
	case fn.MetricQueue:
		return g.p.cfg.Pending != nil
	}
	return false
}

// measure asks the host what the instances use, or the queue what waits, and
// then decides how many instances there should be.
func (g *group) measure(context.Context) {
	var cpu float64
	var pending int
	if g.launch.Policy.Scale.Metric == fn.MetricQueue {
		pending = g.p.cfg.Pending(g.rev.Ref)
	} else {
		cpu = g.readMeters()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.measuring = false
	g.cpu, g.pending = cpu, pending
	if g.gone || g.retired && len(g.waiters) == 0 || g.p.closing.Load() {
		return
	}
	g.decideLocked(time.Now())
}

// readMeters returns the thousandths of a core that the instances have used
// since each was read last. A first reading only begins the count: what a
// program uses to get going is not load.
func (g *group) readMeters() (milli float64) {
	g.mu.Lock()
	insts := make([]*instance, 0, len(g.insts))
	for _, i := range g.insts {
		if i.state != frozen {
			insts = append(insts, i)
		}
	}
	g.mu.Unlock()
	for _, i := range insts {
		m, ok := i.box.(engine.Meter)
		if !ok {
			continue
		}
		u, err := m.Usage()
		if err != nil {
			continue // it has ended
		}
		now := time.Now()
		if used, over := u.CPU-i.meter.cpu, now.Sub(i.meter.at); !i.meter.at.IsZero() && used > 0 && over > 0 {
			milli += 1000 * used.Seconds() / over.Seconds()
		}
		i.meter = reading{at: now, cpu: u.CPU}
	}
	return milli
}
