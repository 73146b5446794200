package scale

import (
	"math"
	"time"
)

// Reasons of a Decision.
const (
	ReasonIdle   = "idle"      // no traffic for Params.Idle
	ReasonKeep   = "keep"      // traffic too thin to need one, but not idle for long enough
	ReasonStable = "stable"    // the stable window needs that many
	ReasonBurst  = "burst"     // burst mode: the most wanted since it began
	ReasonUp     = "rate-up"   // more are needed than may come at once
	ReasonDown   = "rate-down" // fewer are needed, but not so many may go at once
	ReasonMin    = "min"       // the lower bound
	ReasonMax    = "max"       // the upper bound
)

// tick is when to decide again while there is anything to watch.
const tick = 2 * time.Second

// Sample is what happened since the previous one. Numbers that make no sense
// (negative, not a number) count as 0.
type Sample struct {
	// Over is the time the sample is about, ending now; 0 means since the
	// previous sample. Time between the previous sample and the start of Over
	// counts as time without traffic. The first sample without Over is about
	// one second.
	Over        time.Duration
	Concurrency float64 // calls in flight and held, averaged over Over; the number right now will do
	Requests    int     // calls that arrived in Over
	Started     int     // instances started because of Burst in Over
	Running     int     // instances that take calls, frozen ones too; draining ones do not count
	Starting    int     // instances on their way
}

// State is what Decide remembers of one function between samples: 128 bytes,
// and 600 more while there has been traffic within the stable window. The
// zero value is a function at rest. States are values: deciding does not
// change the old one.
type State struct {
	win         *window   // nil without load within the stable window
	seen        time.Time // the newest sample
	active      time.Time // the newest sample with traffic, or when instances were first seen; zero: at rest
	burst       time.Time // when the burst was last noticed; zero: not in burst mode
	stepped     time.Time // when floor and ceil were set; zero: never
	peak        int       // most wanted since burst mode began
	floor, ceil int       // rate limits of this step
}

// AtRest says that the state is that of a function at rest: it can be thrown
// away, State{} is as good.
func (s State) AtRest() bool { return s.active.IsZero() && s.win == nil }

// Decision is how many instances there should be.
type Decision struct {
	Want   int
	Burst  bool    // burst mode: Want does not fall until it is over
	Reason string  // the rule that had the last word, one of the Reason constants
	Stable float64 // average concurrency over the stable window
	Recent float64 // average concurrency over the burst window

	// Again is when to decide again even if no call arrives; 0 means only when
	// one does.
	Again time.Duration
}

// Decide takes a sample and says how many instances there should be.
//
// Want lies between p.Min and p.Max. In burst mode it does not fall, except
// when the function has had no traffic for p.Idle or p.Max has fallen. More
// load never makes it smaller.
func Decide(now time.Time, p Params, s State, m Sample) (State, Decision) {
	p, m = p.withDefaults(), m.mended()
	s = s.observe(now, &p, &m)
	if !m.busy() && p.Idle >= 0 && s.idleFor(now) >= p.Idle {
		return s.rest(now, &p, &m)
	}
	stable, rps := s.win.average(slots)
	recent, recentRPS := s.win.average(p.burstSlots())
	d := Decision{Stable: stable, Recent: recent}

	s = s.step(now, &p, &m)
	calm, reason := s.limited(p.need(stable, rps))
	high, _ := s.limited(p.need(recent, recentRPS))
	s = s.mode(now, &p, &m, p.need(recent, recentRPS))
	if d.Burst = !s.burst.IsZero(); d.Burst {
		s.peak = min(max(s.peak, calm, high), p.Max)
		calm, reason = s.peak, ReasonBurst
	}
	if calm == 0 && (m.busy() || m.have() > 0) {
		calm, reason = 1, ReasonKeep
	}
	d.Want, d.Reason = p.bound(calm, reason)
	d.Again = s.again(now, &p, m.have() != d.Want)
	return s, d
}

// observe adds the sample to the window and the idle clock.
func (s State) observe(now time.Time, p *Params, m *Sample) State {
	from := now.Add(-min(m.Over, p.Stable))
	switch {
	case !s.seen.IsZero() && (m.Over == 0 || from.Before(s.seen)):
		from = s.seen
	case s.seen.IsZero() && m.Over == 0:
		from = now.Add(-time.Second)
	}
	if from.After(now) { // the clock went back
		now = from
	}
	from = later(from, now.Add(-p.Stable))
	s.win = s.win.record(from, now, p.width(), load{m.Concurrency, float64(m.Requests)})
	if m.busy() || s.active.IsZero() && m.have() > 0 {
		s.active = now
	}
	s.seen = now
	return s
}

// idleFor is how long there has been no traffic; 0 for a function never seen
// with an instance or a call.
func (s State) idleFor(now time.Time) time.Duration {
	if s.active.IsZero() {
		return 0
	}
	return now.Sub(s.active)
}

// rest is the decision for a function without traffic for the idle time.
func (s State) rest(now time.Time, p *Params, m *Sample) (State, Decision) {
	d := Decision{}
	d.Want, d.Reason = p.bound(0, ReasonIdle)
	if m.have() <= d.Want {
		return State{seen: s.seen}, d
	}
	d.Again = tick
	return State{seen: s.seen, active: s.active}, d
}

// step moves the rate limits on.
func (s State) step(now time.Time, p *Params, m *Sample) State {
	have := m.have()
	if since := now.Sub(s.stepped); s.stepped.IsZero() || since >= p.Step || since < 0 {
		s.stepped = now
		s.floor = have / p.Down
		s.ceil = max(have, 1) * p.Up
	}
	s.floor = min(s.floor, have) // a crash is no reason to start another
	return s
}

// limited keeps n within the rate limits.
func (s State) limited(n int) (int, string) {
	switch {
	case n < s.floor:
		return s.floor, ReasonDown
	case n > s.ceil:
		return s.ceil, ReasonUp
	}
	return n, ReasonStable
}

// mode enters or leaves burst mode. need is what the burst window asks for.
func (s State) mode(now time.Time, p *Params, m *Sample, need int) State {
	have := m.have()
	over := float64(need)*100 >= float64(max(m.Running, 1))*float64(p.Threshold)
	over = over || m.Started > 0 && have > 1
	switch {
	case over && s.burst.IsZero():
		s.burst, s.peak = now, min(have, p.Max)
	case over:
		s.burst = now
		if m.Started > 0 {
			s.peak = max(s.peak, min(have, p.Max))
		}
	case !s.burst.IsZero() && now.Sub(s.burst) >= p.Stable:
		s.burst, s.peak = time.Time{}, 0
	}
	return s
}

// again says when the next decision is due.
func (s State) again(now time.Time, p *Params, moving bool) time.Duration {
	switch {
	case s.AtRest() && !moving:
		return 0
	case s.win != nil || !s.burst.IsZero() || moving:
		return tick
	case p.Idle < 0:
		return 0
	}
	return max(p.Idle-s.idleFor(now), time.Millisecond)
}

// bound keeps want between Min and Max.
func (p *Params) bound(want int, reason string) (int, string) {
	switch {
	case want < p.Min:
		return p.Min, ReasonMin
	case want > p.Max:
		return p.Max, ReasonMax
	}
	return want, reason
}

func (m *Sample) have() int  { return m.Running + m.Starting }
func (m *Sample) busy() bool { return m.Concurrency > 0 || m.Requests > 0 || m.Started > 0 }

// mended returns m with impossible numbers made possible.
func (m Sample) mended() Sample {
	if math.IsNaN(m.Concurrency) || m.Concurrency < 0 {
		m.Concurrency = 0
	}
	m.Concurrency = min(m.Concurrency, enough)
	m.Over = max(m.Over, 0)
	for _, n := range []*int{&m.Requests, &m.Started, &m.Running, &m.Starting} {
		*n = min(max(*n, 0), enough)
	}
	return m
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
