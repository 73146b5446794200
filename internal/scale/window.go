package scale

import "time"

// window holds the load of the last stable window in slots of equal width. It
// exists only while there is load in it, and is never changed once a State
// points at it: add works on a copy, so that States are values.
type window struct {
	began time.Time     // start of slot 0; load before it is unknown
	until time.Time     // end of what has been added
	width time.Duration // of a slot
	last  int64         // number of the slot until lies in

	// slot number mod slots → what happened in it
	busy  [slots]float32 // call-seconds: calls in hand × seconds
	calls [slots]float32 // calls that arrived
}

// load is what a sample adds: an average level and a count.
type load struct{ level, calls float64 }

// record returns the window with l added over (from, to]. w may be nil; the
// answer is nil if there is no load left in it.
func (w *window) record(from, to time.Time, width time.Duration, l load) *window {
	if w == nil || w.width != width {
		if l == (load{}) {
			return nil
		}
		w = &window{began: from, until: from, width: width}
	} else {
		c := *w
		w = &c
	}
	w.advance(to)
	w.spread(from, to, l)
	if w.empty() {
		return nil
	}
	return w
}

// slotOf returns the number of the slot that the moment t closes or lies in:
// slot n covers (began + n·width, began + (n+1)·width].
func (w *window) slotOf(t time.Time) int64 {
	d := t.Sub(w.began)
	if d <= 0 {
		return 0
	}
	return int64((d - 1) / w.width)
}

// advance moves the window's end to t, clearing the slots it enters.
func (w *window) advance(t time.Time) {
	if !t.After(w.until) {
		return
	}
	w.until = t
	now := w.slotOf(t)
	for n := max(w.last+1, now-slots+1); n <= now; n++ {
		w.busy[n%slots], w.calls[n%slots] = 0, 0
	}
	w.last = now
}

// spread adds l over (from, to], each slot getting its share.
func (w *window) spread(from, to time.Time, l load) {
	span := to.Sub(from)
	if span <= 0 { // no time has passed: calls count, a level does not
		w.calls[w.last%slots] += float32(l.calls)
		return
	}
	for n := max(w.slotOf(from), w.last-slots+1, 0); n <= w.slotOf(to); n++ {
		start := w.began.Add(time.Duration(n) * w.width)
		a, b := max(from.Sub(start), 0), min(to.Sub(start), w.width)
		if b <= a {
			continue
		}
		w.busy[n%slots] += float32(l.level * (b - a).Seconds())
		w.calls[n%slots] += float32(l.calls * float64(b-a) / float64(span))
	}
}

func (w *window) empty() bool {
	return w.busy == [slots]float32{} && w.calls == [slots]float32{}
}

// average returns the mean level and calls a second over the newest n slots,
// the last of which is counted as far as it has come. Time before the window
// began does not count.
func (w *window) average(n int) (level, rps float64) {
	busy, calls, span := w.sums(n)
	if span <= 0 {
		return 0, 0
	}
	return busy / span, calls / span
}

// sums returns the call-seconds and the calls in the newest n slots, and how
// long these are, in seconds.
func (w *window) sums(n int) (busy, calls, seconds float64) {
	if w == nil {
		return 0, 0, 0
	}
	first := max(w.last-int64(n)+1, 0)
	for i := first; i <= w.last; i++ {
		busy += float64(w.busy[i%slots])
		calls += float64(w.calls[i%slots])
	}
	return busy, calls, w.until.Sub(w.began.Add(time.Duration(first) * w.width)).Seconds()
}

// peak returns the highest level of a slot among the newest n.
func (w *window) peak(n int) (top float64) {
	if w == nil {
		return 0
	}
	for i := max(w.last-int64(n)+1, 0); i <= w.last; i++ {
		span := min(w.until.Sub(w.began.Add(time.Duration(i)*w.width)), w.width).Seconds()
		if span > 0 {
			top = max(top, float64(w.busy[i%slots])/span)
		}
	}
	return top
}
