package pebble

import (
	"container/heap"
	"math"
	"time"
)

// never is later than everything that will happen.
const never = math.MaxInt64

// nanos are the nanoseconds of t since 1970, within what 64 bits hold.
func nanos(t time.Time) int64 {
	switch {
	case t.Year() < 1970:
		return 0
	case t.Year() > 2261:
		return never - 1
	}
	return t.UnixNano()
}

// item is something that happens at a time: a lease that passes, a stream in
// which a message becomes due.
type item interface {
	when() int64 // Unix nanoseconds
	place() *int // where it stands in the clock, plus one; 0: it does not
}

// clock is a heap of items, the soonest first.
type clock []item

func (c clock) Len() int           { return len(c) }
func (c clock) Less(i, j int) bool { return c[i].when() < c[j].when() }
func (c clock) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	*c[i].place(), *c[j].place() = i+1, j+1
}

// Push implements heap.Interface.
func (c *clock) Push(x any) {
	*c = append(*c, x.(item))
	*x.(item).place() = len(*c)
}

// Pop implements heap.Interface.
func (c *clock) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	(*c)[last] = nil
	*c = (*c)[:last]
	*x.place() = 0
	return x
}

// set puts x where its time says, or takes it out if that is never. It reports
// whether x is now the soonest.
func (c *clock) set(x item) bool {
	switch at := *x.place(); {
	case x.when() == never && at > 0:
		heap.Remove(c, at-1)
	case x.when() == never:
	case at > 0:
		heap.Fix(c, at-1)
	default:
		heap.Push(c, x)
	}
	return *x.place() == 1
}

// remove takes x out.
func (c *clock) remove(x item) {
	if at := *x.place(); at > 0 {
		heap.Remove(c, at-1)
	}
}

// next is when the soonest item happens; zero: there is none.
func (c clock) next() time.Time {
	if len(c) == 0 {
		return time.Time{}
	}
	return time.Unix(0, c[0].when())
}
