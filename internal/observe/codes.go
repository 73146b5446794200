package observe

import (
	"iter"
	"strconv"
	"sync"
	"sync/atomic"
)

// maxCodes bounds the statuses besides 200 that a function has counters of
// their own for: a function that answers with a thousand different ones makes
// no more series than any other.
const maxCodes = 15

// clientLeft is the status under which calls are exported whose client left
// before there was one. It is the customary one.
const clientLeft = 499

// codes numbers the statuses of a function: 0 is 200, then each in the order
// of its first appearance, the last number is that of all others. Finding one
// takes no lock; a new one does.
type codes struct {
	mu   sync.Mutex // held while a status is added
	list atomic.Pointer[[]int]
}

// others are the durations of calls that did not end with 200, by number of
// the status less 1.
type others [maxCodes + 1]atomic.Pointer[histogram]

// number returns the number of a status.
func (c *codes) number(status int) int {
	if status == 200 {
		return 0
	}
	if status == 0 {
		status = clientLeft
	}
	if n := c.find(status); n > 0 {
		return n
	}
	return c.add(status)
}

func (c *codes) all() []int {
	if list := c.list.Load(); list != nil {
		return *list
	}
	return nil
}

func (c *codes) find(status int) int {
	for i, s := range c.all() {
		if s == status {
			return i + 1
		}
	}
	return 0
}

func (c *codes) add(status int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.find(status); n > 0 {
		return n
	}
	old := c.all()
	if len(old) == maxCodes || status < 100 || status > 999 {
		return maxCodes + 1
	}
	list := append(append(make([]int, 0, len(old)+1), old...), status)
	c.list.Store(&list)
	return len(list)
}

// of returns the stripe's durations of a status by its number.
func (s *stripe) of(number int) *histogram {
	if number == 0 {
		return &s.ok
	}
	return once(&once(&s.others)[number-1])
}

// statuses yields the durations of the series' calls by status, "other" for
// those without a number of their own. What is empty is left out.
func (s *series) statuses() iter.Seq2[string, *reading] {
	return func(yield func(string, *reading) bool) {
		list := s.codes.all()
		for n := range maxCodes + 2 {
			name := other
			switch {
			case n == 0:
				name = "200"
			case n <= len(list):
				name = strconv.Itoa(list[n-1])
			case n <= maxCodes:
				continue
			}
			var r reading
			for st := range s.parts() {
				if n == 0 {
					r.add(&st.ok)
				} else if o := st.others.Load(); o != nil {
					r.add(o[n-1].Load())
				}
			}
			if r.total() > 0 && !yield(name, &r) {
				return
			}
		}
	}
}
