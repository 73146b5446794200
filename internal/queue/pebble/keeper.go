package pebble

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// List implements queue.Keeper.
func (q *Queue) List(ctx context.Context, stream string, state queue.State, after uint64, limit int) ([]queue.Entry, error) {
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	space := byte(spaceRecord)
	if state == queue.Buried {
		space = spaceBuried
	}
	var out []queue.Entry
	if limit < 1 {
		return nil, nil
	}
	err = q.scan(boundsAfter(space, stream, after), func(key, value []byte) (bool, error) {
		_, seq, err := parseSeqKey(key)
		if err != nil {
			return false, err
		}
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		e, ok, err := q.entry(stream, seq, state, value)
		if ok && err == nil {
			out = append(out, e)
		}
		return len(out) < limit, err
	})
	return out, err
}

// entry shows a message whose record is value, if it is in that state, which
// may be "" for any.
func (q *Queue) entry(stream string, seq uint64, state queue.State, value []byte) (queue.Entry, bool, error) {
	r, err := parseRecord(value, true)
	if err != nil {
		return queue.Entry{}, false, err
	}
	e := r.entry(stream, seq, nil)
	if state == queue.Buried {
		e.State = queue.Buried
	} else if !q.leaseOf(&e) || (state != "" && state != e.State) {
		return e, false, nil
	}
	payload, err := q.read(seqKey(spaceMessage, stream, seq))
	if err != nil || payload == nil {
		return e, false, err
	}
	e.Head, _, err = parsePayload(payload)
	return e, err == nil, err
}

// leaseOf completes the entry of a message that is not buried by what memory
// knows, and returns false if the message is not on disk yet.
func (q *Queue) leaseOf(e *queue.Entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.streams[e.Stream]
	if s == nil || e.Seq > q.landed {
		return false
	}
	now := time.Now().UnixNano()
	switch l := s.leases[e.Seq]; {
	case l == nil:
		e.Attempt += s.passed[e.Seq]
	case l.until > now || l.settling:
		e.State, e.Attempt, e.Due = queue.Leased, e.Attempt+l.passed+1, time.Unix(0, l.until)
	default: // it has passed, and nobody has looked since
		e.Attempt += l.passed + 1
	}
	return true
}

// Find implements queue.Keeper.
func (q *Queue) Find(ctx context.Context, prefix, id string) (queue.Entry, error) {
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return queue.Entry{}, err
	}
	defer leave()
	var found queue.Entry
	ok := false
	low := idKey(id, "")
	bounds := &pebble.IterOptions{LowerBound: low, UpperBound: append(slices.Clone(low[:len(low)-1]), 1)}
	err = q.scan(bounds, func(key, value []byte) (bool, error) {
		stream := key[len(low):]
		if !hasPrefix(stream, prefix) || len(value) != 8 {
			return true, nil
		}
		var err error
		found, ok, err = q.lookup(string(stream), binary.BigEndian.Uint64(value))
		return !ok, err
	})
	if err != nil {
		return queue.Entry{}, err
	}
	if !ok {
		return queue.Entry{}, fn.Errorf(fn.NotFound, "no message %q is queued", id)
	}
	return found, nil
}

// lookup shows a message in whatever state it is.
func (q *Queue) lookup(stream string, seq uint64) (queue.Entry, bool, error) {
	for _, c := range []struct {
		space byte
		state queue.State
	}{{spaceRecord, ""}, {spaceBuried, queue.Buried}} {
		value, err := q.read(seqKey(c.space, stream, seq))
		if err != nil {
			return queue.Entry{}, false, err
		}
		if value != nil {
			return q.entry(stream, seq, c.state, value)
		}
	}
	return queue.Entry{}, false, nil
}

// Revive implements queue.Keeper.
func (q *Queue) Revive(ctx context.Context, stream string, seqs ...uint64) error {
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := q.forOutcomes(); err != nil {
		return err
	}
	seqs = slices.Compact(slices.Sorted(slices.Values(seqs)))
	return q.commit(ctx, func(b *pebble.Batch) (func(), error) { return q.stageRevive(b, stream, seqs) })
}

func (q *Queue) stageRevive(b *pebble.Batch, stream string, seqs []uint64) (land func(), err error) {
	now := time.Now().UnixNano()
	for _, seq := range seqs {
		r, ok, err := q.record(spaceBuried, stream, seq)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fn.Errorf(fn.NotFound, "message %d of %s is not buried", seq, stream)
		}
		r.attempt, r.timed, r.due, r.again = 0, true, now, true
		err = b.SingleDelete(seqKey(spaceBuried, stream, seq), nil)
		if err == nil {
			err = b.Set(seqKey(spaceRecord, stream, seq), r.append(nil), nil)
		}
		if err == nil {
			err = b.Set(timedKey(stream, entry{now, seq}), nil, nil)
		}
		if err != nil {
			return nil, fn.Errorf(fn.Internal, "building a batch: %w", err)
		}
	}
	s := q.holdAll(stream, seqs)
	return func() {
		for _, seq := range seqs {
			s.letGo(seq)
			s.buried--
			s.low = min(s.low, seq)
			q.arriveLocked(s, entry{now, seq}, true)
		}
	}, nil
}

// holdAll keeps messages from being handed out, and voids their leases.
func (q *Queue) holdAll(stream string, seqs []uint64) *stream {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.streamLocked(stream)
	for _, seq := range seqs {
		if l := s.leases[seq]; l != nil {
			q.clock.remove(l)
			s.drop(l)
		}
		s.hold(seq)
	}
	return s
}

// Remove implements queue.Keeper.
func (q *Queue) Remove(ctx context.Context, stream string, seqs ...uint64) (int, error) {
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	if err := q.forOutcomes(); err != nil {
		return 0, err
	}
	n := 0
	seqs = slices.Compact(slices.Sorted(slices.Values(seqs)))
	err = q.commit(ctx, func(b *pebble.Batch) (land func(), err error) {
		n, land, err = q.stageRemove(b, stream, seqs, q.anywhere)
		return land, err
	})
	return n, err
}

// removal is a message on its way from the disk.
type removal struct {
	seq    uint64
	record record
	buried bool
}

// anywhere finds a message in whatever state it is.
func (q *Queue) anywhere(stream string, seq uint64) (removal, bool, error) {
	r, ok, err := q.record(spaceRecord, stream, seq)
	if ok || err != nil {
		return removal{seq, r, false}, ok, err
	}
	r, ok, err = q.record(spaceBuried, stream, seq)
	return removal{seq, r, true}, ok, err
}

// stageRemove removes those of the messages that find finds.
func (q *Queue) stageRemove(b *pebble.Batch, stream string, seqs []uint64, find func(string, uint64) (removal, bool, error)) (n int, land func(), err error) {
	var gone []removal
	var held []uint64
	for _, seq := range seqs {
		g, ok, err := find(stream, seq)
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			continue
		}
		space := byte(spaceRecord)
		if g.buried {
			space, g.record.again = spaceBuried, false // it was written once where it lies now
		}
		if err = q.erase(b, space, stream, seq, g.record); err != nil {
			return 0, nil, fn.Errorf(fn.Internal, "building a batch: %w", err)
		}
		gone, held = append(gone, g), append(held, seq)
	}
	if len(gone) == 0 {
		return 0, nil, nil
	}
	s := q.holdAll(stream, held)
	return len(gone), func() { q.removedLocked(s, gone) }, nil
}

func (q *Queue) removedLocked(s *stream, gone []removal) {
	for _, g := range gone {
		s.letGo(g.seq)
		delete(s.passed, g.seq)
		switch {
		case g.buried:
			s.buried--
		case g.record.timed:
			s.leaveLocked(entry{g.record.due, g.seq}, true)
		default:
			s.leaveLocked(entry{g.record.published, g.seq}, false)
		}
		s.bytes -= g.record.size()
		q.bytes.Add(-g.record.size())
	}
	q.tidyLocked(s)
}
