package pebble

import (
	"context"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Lease implements queue.Queue.
func (q *Queue) Lease(ctx context.Context, name string, most int, d time.Duration) ([]queue.Delivery, error) {
	if most < 1 || d <= 0 {
		return nil, fn.Errorf(fn.Invalid, "leasing %d messages for %v", most, d)
	}
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	picked, err := q.pick(name, most, d)
	if err != nil {
		return nil, err
	}
	out := make([]queue.Delivery, 0, len(picked))
	records := make([]*record, len(picked)) // nil: the message was removed meanwhile
	for i, l := range picked {
		delivery, r, err := q.deliver(name, l)
		if err != nil {
			q.release(picked)
			return nil, err
		}
		if records[i] = r; r != nil {
			out = append(out, delivery)
		}
	}
	q.handOut(picked, records)
	return out, nil
}

// pick leases what is due.
func (q *Queue) pick(name string, most int, d time.Duration) ([]*lease, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return nil, q.broken
	}
	now := time.Now()
	if err := q.sweepLocked(now.UnixNano()); err != nil {
		return nil, err
	}
	s := q.streams[name]
	if s == nil {
		return nil, nil
	}
	var out []*lease
	for len(out) < most && s.due() {
		l, err := q.nextLocked(s, now.UnixNano())
		if err != nil {
			return nil, err
		}
		if l == nil {
			break
		}
		l.until = nanos(now.Add(d))
		q.setLocked(l)
		out = append(out, l)
	}
	return out, nil
}

// nextLocked leases the oldest due message, or returns nil.
func (q *Queue) nextLocked(s *stream, now int64) (*lease, error) {
	for {
		if err := q.readLocked(s, &s.fresh); err != nil {
			return nil, err
		}
		if err := q.readLocked(s, &s.timed); err != nil {
			return nil, err
		}
		from, timed := &s.fresh, false
		if w := s.timed.window; len(w) > 0 && w[0].due <= now && (len(from.window) == 0 || w[0].compare(from.window[0]) < 0) {
			from, timed = &s.timed, true
		}
		if len(from.window) == 0 {
			return nil, nil
		}
		e := from.pop()
		if s.held(e.seq) { // it is being removed
			continue
		}
		q.lease++
		l := &lease{id: q.lease, s: s, entry: e, timed: timed, passed: s.passed[e.seq]}
		delete(s.passed, e.seq)
		if s.leases == nil {
			s.leases = make(map[uint64]*lease)
		}
		s.leases[e.seq] = l
		return l, nil
	}
}

// deliver reads a leased message. No record means that it is there no more.
func (q *Queue) deliver(stream string, l *lease) (queue.Delivery, *record, error) {
	seq := l.entry.seq
	r, ok, err := q.record(spaceRecord, stream, seq)
	if err != nil || !ok {
		return queue.Delivery{}, nil, err
	}
	value, err := q.read(seqKey(spaceMessage, stream, seq))
	if err != nil || value == nil {
		return queue.Delivery{}, nil, err
	}
	head, body, err := parsePayload(value)
	if err != nil {
		return queue.Delivery{}, nil, err
	}
	e := r.entry(stream, seq, head)
	e.State, e.Attempt, e.Due = queue.Leased, r.attempt+l.passed+1, time.Unix(0, l.until)
	return queue.Delivery{Entry: e, Body: body, Lease: l.id}, &r, nil
}

// handOut completes leases: from here on they can be settled.
func (q *Queue) handOut(picked []*lease, records []*record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, l := range picked {
		if records[i] != nil {
			l.record = *records[i]
		} else {
			q.clock.remove(l)
			l.s.drop(l)
			q.tidyLocked(l.s)
		}
	}
}

// release undoes pick.
func (q *Queue) release(picked []*lease) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range picked {
		if l.s.leases[l.entry.seq] == l {
			q.clock.remove(l)
			q.releaseLocked(l)
		}
	}
}
