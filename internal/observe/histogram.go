package observe

import (
	"sync/atomic"
	"time"
)

// bounds are the upper bounds of the buckets of every histogram. They are the
// customary ones of 1-2.5-5 steps, from half a millisecond (a warm call of
// something small) to a minute (the default deadline).
func bounds() [16]time.Duration {
	return [...]time.Duration{
		500 * time.Microsecond,
		time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
		10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2500 * time.Millisecond, 5 * time.Second,
		10 * time.Second, 30 * time.Second, time.Minute,
	}
}

// buckets counts the bounds and one more for everything above them.
const buckets = 17

// histogram counts durations. The zero value is ready.
type histogram struct {
	count [buckets]atomic.Uint64 // not cumulative
	sum   atomic.Uint64          // nanoseconds
}

// bucketOf returns the bucket d falls into: the first whose bound is at least
// d.
func bucketOf(d time.Duration) int {
	b := bounds()
	lo, hi := 0, len(b)
	for lo < hi {
		if mid := (lo + hi) / 2; b[mid] < d {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// add counts d; what is negative counts as 0.
func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.count[bucketOf(d)].Add(1)
	h.sum.Add(uint64(d))
}

// reading is a histogram's content at one moment. Several add up.
type reading struct {
	count [buckets]uint64
	sum   uint64
}

func (r *reading) add(h *histogram) {
	if h == nil {
		return
	}
	for i := range h.count {
		r.count[i] += h.count[i].Load()
	}
	r.sum += h.sum.Load()
}

// total is the number of durations counted. It is the sum of the buckets, so
// that the two never disagree.
func (r *reading) total() uint64 {
	var n uint64
	for _, c := range r.count {
		n += c
	}
	return n
}

// seconds turns nanoseconds into the unit of every exported time.
func seconds(ns uint64) float64 { return float64(ns) / 1e9 }
