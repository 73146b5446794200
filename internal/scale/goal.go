package scale

import (
	"math"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// What a goal is compared with is taken over these times. They are those of
// OpenFaaS's autoscaler, whose users have set their goals by them; the last
// is what the rate between two of its scrapes comes to.
const (
	peakOver = 45 * time.Second // concurrency: the most calls in hand
	rateOver = 30 * time.Second // rps: calls a second; since the first call if that is less, but Params.Burst at least
	cpuOver  = 15 * time.Second // cpu: thousandths of a core
)

// hasGoal reports whether the policy counts something that can be divided by
// its goal.
func (p *Params) hasGoal() bool {
	switch p.Metric {
	case fn.MetricConcurrency, fn.MetricRPS, fn.MetricCPU, fn.MetricQueue:
		return p.Goal > 0 && !math.IsInf(p.Goal, 1)
	}
	return false
}

// level is the part of a sample that the window keeps as a level.
func (p *Params) level(m *Sample) float64 {
	switch p.Metric {
	case fn.MetricCPU:
		return m.CPU
	case fn.MetricQueue:
		return float64(m.Pending)
	}
	return m.Concurrency
}

// load is what the goal is compared with.
func (p *Params) load(w *window, m *Sample) float64 {
	switch p.Metric {
	case fn.MetricConcurrency:
		return w.peak(p.slotsIn(peakOver))
	case fn.MetricRPS:
		// A handful of calls at the same moment is not a rate yet.
		_, calls, seconds := w.sums(p.slotsIn(rateOver))
		return calls / max(seconds, p.Burst.Seconds())
	case fn.MetricCPU:
		cpu, _ := w.average(p.slotsIn(cpuOver))
		return cpu
	}
	return float64(m.Pending)
}

// goal is the decision for a function with a goal: as many instances as its
// load holds goals. Two things keep it from sending away what would be started
// again at once: calls in hand keep the slots they need, and what was started
// for held calls stays for the stable window.
func (s State) goal(now time.Time, p *Params, m *Sample) (State, int, string) {
	// The window adds up in single precision: a load that is a whole number of
	// goals must not look like a little more.
	const rounding = 1 - 1e-6
	want, reason := ceilTo(p.load(s.win, m)*rounding, p.Goal), ReasonGoal
	if n := ceilTo(m.Concurrency, float64(p.Concurrency)); n > want {
		want, reason = n, ReasonSlots
	}
	switch {
	case m.Started > 0:
		s.burst, s.peak = now, max(s.peak, min(m.have(), p.Max))
	case !s.burst.IsZero() && now.Sub(s.burst) >= p.Stable:
		s.burst, s.peak = time.Time{}, 0
	}
	if s.peak > want {
		want, reason = s.peak, ReasonBurst
	}
	return s, want, reason
}
