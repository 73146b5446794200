package async

import "sync"

// budget is a number of deliveries that many lanes share. A lane may take from
// it only while it holds fewer than are left. So one busy lane gets half of
// it, two get a third each, and whoever comes next finds some left.
type budget struct {
	mu      sync.Mutex
	free    int      // guarded by mu
	waiting []*share // guarded by mu: found too little, in order
}

// share is what one lane has of a budget.
type share struct {
	of     *budget
	wake   chan struct{} // gets a value when more may be there
	held   int           // guarded by of.mu
	queued bool          // guarded by of.mu: in of.waiting
}

func newBudget(n int) *budget { return &budget{free: n} }

func (b *budget) share() *share { return &share{of: b, wake: make(chan struct{}, 1)} }

// take takes up to want, and returns how many. If that is none, wake gets a
// value when it is worth another try.
func (s *share) take(want int) int {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	n := 0
	for n < want && s.held < s.of.free {
		s.held++
		s.of.free--
		n++
	}
	if n == 0 && want > 0 && !s.queued {
		s.of.waiting, s.queued = append(s.of.waiting, s), true
	}
	return n
}

// give gives n back.
func (s *share) give(n int) {
	if n == 0 {
		return
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.held -= n
	s.of.free += n
	s.nudge() // its window has room, too
	s.of.wakeLocked()
}

// leave takes the lane out of the line.
func (s *share) leave() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.queued {
		s.of.waiting, s.queued = without(s.of.waiting, s), false
	}
	s.of.wakeLocked() // what it was woken for may do for another
}

// count is how many the lane holds.
func (s *share) count() int {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	return s.held
}

// wakeLocked wakes those in line that would get something, the first first,
// as many as there is something for.
func (b *budget) wakeLocked() {
	left, woken := b.free, 0
	for i := 0; i < len(b.waiting) && woken < left; i++ {
		if s := b.waiting[i]; s.held < b.free {
			s.queued = false
			s.nudge()
			b.waiting[i] = nil
			woken++
		}
	}
	if woken > 0 {
		b.waiting = without(b.waiting, nil)
	}
}

func (s *share) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// without takes every s out of a list, in place.
func without(list []*share, s *share) []*share {
	kept := list[:0]
	for _, other := range list {
		if other != s {
			kept = append(kept, other)
		}
	}
	clear(list[len(kept):])
	return kept
}
