package memory

import (
	"cmp"
	"slices"
	"time"

	"rouse.dev/rouse/internal/queue"
)

// stream is what is held under one name. The queue's lock guards it.
type stream struct {
	all     map[uint64]*message
	ids     map[string]*message // those that have one
	leased  map[uint64]*message // those in state Leased
	waiting []*message          // those in state Waiting, by due, then seq
	ready   bool                // its name is in the queue's list
}

// message is one that is held. Its Entry's Due is set by entry.
type message struct {
	queue.Entry
	body  []byte
	due   time.Time
	told  bool      // Due has been told that it is due
	lease uint64    // of a leased one
	until time.Time // of a leased one: when the lease passes
}

// entry is what is shown of m.
func (m *message) entry() queue.Entry {
	e := m.Entry
	e.Head = slices.Clone(e.Head)
	e.Due = m.due
	if m.State == queue.Leased {
		e.Due = m.until
	}
	return e
}

// wait puts m where Lease looks.
func (s *stream) wait(m *message) {
	delete(s.leased, m.Seq)
	m.State, m.told = queue.Waiting, false
	at, _ := slices.BinarySearchFunc(s.waiting, m, func(a, b *message) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.Seq, b.Seq))
	})
	s.waiting = slices.Insert(s.waiting, at, m)
}

// dueBy is how many wait and are due now.
func (s *stream) dueBy(now time.Time) int {
	n, _ := slices.BinarySearchFunc(s.waiting, now, func(m *message, now time.Time) int {
		if m.due.After(now) {
			return 1
		}
		return -1
	})
	return n
}

func (q *Queue) putLocked(m *message) {
	s := q.streams[m.Stream]
	if s == nil {
		s = &stream{all: make(map[uint64]*message), ids: make(map[string]*message), leased: make(map[uint64]*message)}
		q.streams[m.Stream] = s
	}
	s.all[m.Seq] = m
	if m.ID != "" {
		s.ids[m.ID] = m
	}
	s.wait(m)
	q.bytes += int64(len(m.Head) + len(m.body))
}

// dropLocked forgets m, and its stream if that was the last one.
func (q *Queue) dropLocked(m *message) {
	s := q.streams[m.Stream]
	delete(s.all, m.Seq)
	delete(s.ids, m.ID)
	delete(s.leased, m.Seq)
	s.waiting = slices.DeleteFunc(s.waiting, func(o *message) bool { return o == m })
	q.bytes -= int64(len(m.Head) + len(m.body))
	if len(s.all) == 0 {
		delete(q.streams, m.Stream)
	}
}

func (q *Queue) messageLocked(name string, seq uint64) *message {
	if s := q.streams[name]; s != nil {
		return s.all[seq]
	}
	return nil
}

func (q *Queue) byIDLocked(name, id string) *message {
	if s := q.streams[name]; s != nil {
		return s.ids[id]
	}
	return nil
}

// sweepLocked takes back leases that have passed and notes the streams in which
// something has become due.
func (q *Queue) sweepLocked(now time.Time) {
	for name, s := range q.streams {
		for _, m := range s.leased {
			if !m.until.After(now) {
				s.wait(m)
			}
		}
		for _, m := range s.waiting[:s.dueBy(now)] {
			if m.told {
				continue
			}
			m.told = true
			if !s.ready {
				s.ready = true
				q.ready = append(q.ready, name)
			}
		}
	}
}

// nextLocked is when something will become due by itself; zero: nothing will.
func (q *Queue) nextLocked() (next time.Time) {
	soonest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	for _, s := range q.streams {
		for _, m := range s.leased {
			soonest(m.until)
		}
		if i := slices.IndexFunc(s.waiting, func(m *message) bool { return !m.told }); i >= 0 {
			soonest(s.waiting[i].due)
		}
	}
	return next
}
