package scale

import "time"

// highs holds what was wanted most in each slot of the time within which a
// function goes down only to the most wanted. It is never changed once a
// State points at it.
type highs struct {
	began time.Time     // start of slot 0
	width time.Duration // of a slot
	last  int64         // number of the newest slot

	// slot number mod its length → most wanted; one slot more than the time
	// has, so that the oldest counts until all of it is over
	most [slots + 1]int32
}

// record returns h with want added at now. h may be nil; the answer is nil if
// nothing was wanted.
func (h *highs) record(now time.Time, over time.Duration, want int) *highs {
	width := max(over/slots, time.Millisecond)
	if h == nil || h.width != width {
		if want == 0 {
			return nil
		}
		h = &highs{began: now, width: width}
	}
	c := *h
	n := max(int64(now.Sub(c.began)/width), c.last) // a clock that goes back stays in the slot
	for i := max(c.last+1, n-slots); i <= n; i++ {
		c.most[i%(slots+1)] = 0
	}
	c.last = n
	c.most[n%(slots+1)] = max(c.most[n%(slots+1)], int32(min(want, enough)))
	if c.most == [slots + 1]int32{} {
		return nil
	}
	return &c
}

// top returns the most wanted.
func (h *highs) top() int {
	var top int32
	if h != nil {
		for _, n := range h.most {
			top = max(top, n)
		}
	}
	return int(top)
}

// hold keeps want at the most that was wanted within p.Window.
func (s State) hold(now time.Time, p *Params, want int) (State, int) {
	if p.Window <= 0 {
		s.highs = nil
		return s, want
	}
	s.highs = s.highs.record(now, p.Window, want)
	return s, max(want, min(s.highs.top(), p.Max))
}
