package scale

import "time"

// classic is the decision for a function without a goal: by the concurrency
// (and RPS) of two windows, with a burst mode and limits on the rate of change.
func (s State) classic(now time.Time, p *Params, m *Sample) (State, Decision) {
	stable, rps := s.win.average(slots)
	recent, recentRPS := s.win.average(p.burstSlots())
	d := Decision{Stable: stable, Recent: recent}

	s = s.step(now, p, m)
	calm, reason := s.limited(p.need(stable, rps))
	high, _ := s.limited(p.need(recent, recentRPS))
	s = s.mode(now, p, m, p.need(recent, recentRPS))
	if d.Burst = !s.burst.IsZero(); d.Burst {
		s.peak = min(max(s.peak, calm, high), p.Max)
		calm, reason = s.peak, ReasonBurst
	}
	d.Want, d.Reason = calm, reason
	return s, d
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
