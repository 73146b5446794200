package scale

import "time"

// tick is when to decide again while there is anything to watch.
const tick = 2 * time.Second

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
	var d Decision
	if p.hasGoal() {
		d.Load = p.load(s.win, &m)
		d.Stable, _ = s.win.average(slots)
		d.Recent, _ = s.win.average(p.burstSlots())
		s, d.Want, d.Reason = s.goal(now, &p, &m)
	} else {
		s, d = s.classic(now, &p, &m)
	}
	if d.Want == 0 && (m.busy() || m.have() > 0) {
		d.Want, d.Reason = 1, ReasonKeep
	}
	if d.Want > 0 && d.Want < p.Activation {
		d.Want, d.Reason = p.Activation, ReasonActive
	}
	d.Want, d.Reason = p.bound(d.Want, d.Reason)
	asked := d.Want
	if s, d.Want = s.hold(now, &p, asked); d.Want > asked {
		d.Reason = ReasonWindow
	}
	d.Again = s.again(now, &p, m.have() != d.Want || d.Want > asked)
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
	s.win = s.win.record(from, now, p.width(), load{p.level(m), float64(m.Requests)})
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
