package pebble

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Settle implements queue.Queue.
func (q *Queue) Settle(ctx context.Context, outcomes ...queue.Outcome) error {
	if err := queue.CheckOutcomes(outcomes); err != nil {
		return err
	}
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if !slices.ContainsFunc(outcomes, lasting) {
		_, err := q.claim(outcomes)
		return err
	}
	if err := q.forOutcomes(); err != nil {
		return err
	}
	return q.commit(ctx, func(b *pebble.Batch) (func(), error) { return q.stageSettle(b, outcomes) })
}

// lasting reports whether an outcome is more than a change of its lease.
func lasting(o queue.Outcome) bool { return o.Action != queue.Extend }

// claim checks that all outcomes are of leases that hold. It extends leases at
// once, and keeps the others from passing.
func (q *Queue) claim(outcomes []queue.Outcome) ([]*lease, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return nil, q.broken
	}
	now := time.Now().UnixNano()
	leases := make([]*lease, len(outcomes))
	for i, o := range outcomes {
		var l *lease
		if s := q.streams[o.Stream]; s != nil {
			l = s.leases[o.Seq]
		}
		if l == nil || l.id != o.Lease || l.settling || l.until <= now {
			return nil, fn.Errorf(fn.Conflict, "settling message %d of %s: its lease has passed", o.Seq, o.Stream)
		}
		leases[i] = l
	}
	for i, o := range outcomes {
		if l := leases[i]; lasting(o) {
			l.settling = true
			q.clock.remove(l)
		} else {
			l.until = nanos(o.At)
			q.setLocked(l)
		}
	}
	return leases, nil
}

func (q *Queue) stageSettle(b *pebble.Batch, outcomes []queue.Outcome) (land func(), err error) {
	leases, err := q.claim(outcomes)
	if err != nil {
		return nil, err
	}
	now := time.Now().UnixNano()
	lands := make([]func(), 0, len(outcomes))
	for i, o := range outcomes {
		if !lasting(o) {
			continue
		}
		land, err := q.stageOutcome(b, leases[i], o, now)
		if err != nil { // a batch in memory that takes no more: nothing of it is written
			q.unclaim(leases)
			return nil, fn.Errorf(fn.Internal, "building a batch: %w", err)
		}
		lands = append(lands, land)
	}
	return func() {
		for _, land := range lands {
			land()
		}
	}, nil
}

func (q *Queue) unclaim(leases []*lease) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range leases {
		if l.settling {
			l.settling = false
			q.setLocked(l)
		}
	}
}

// stageOutcome writes an outcome into b.
func (q *Queue) stageOutcome(b *pebble.Batch, l *lease, o queue.Outcome, now int64) (land func(), err error) {
	before, after := l.record, l.record
	after.attempt += l.passed + 1
	after.again = true
	after.reason = queue.CutReason(o.Reason)
	switch o.Action {
	case queue.Retry:
		after.timed, after.due = true, max(now, nanos(o.At))
		err = q.rewrite(b, spaceRecord, o.Stream, o.Seq, before, after)
	case queue.Bury:
		after.timed, after.due = false, now
		err = q.rewrite(b, spaceBuried, o.Stream, o.Seq, before, after)
	default:
		err = q.erase(b, spaceRecord, o.Stream, o.Seq, before)
	}
	return func() { q.settledLocked(l, o.Action, after) }, err
}

// rewrite replaces the record before, of space r, by after in space to.
func (q *Queue) rewrite(b *pebble.Batch, to byte, stream string, seq uint64, before, after record) error {
	var err error
	if before.timed {
		err = b.SingleDelete(timedKey(stream, entry{before.due, seq}), nil)
	}
	if to != spaceRecord {
		err = errors.Join(err, deleteRecord(b, spaceRecord, stream, seq, before))
	}
	if after.timed {
		err = errors.Join(err, b.Set(timedKey(stream, entry{after.due, seq}), nil, nil))
	}
	return errors.Join(err, b.Set(seqKey(to, stream, seq), after.append(nil), nil))
}

// erase removes a message from the database. Keys that were written once are
// removed by what cancels one write: it vanishes with it, where a plain deletion
// has to stay until it has reached the oldest files.
func (q *Queue) erase(b *pebble.Batch, space byte, stream string, seq uint64, r record) error {
	err := deleteRecord(b, space, stream, seq, r)
	if r.timed {
		err = errors.Join(err, b.SingleDelete(timedKey(stream, entry{r.due, seq}), nil))
	}
	if r.id != "" {
		err = errors.Join(err, b.SingleDelete(idKey(r.id, stream), nil))
	}
	return errors.Join(err, b.SingleDelete(seqKey(spaceMessage, stream, seq), nil))
}

func deleteRecord(b *pebble.Batch, space byte, stream string, seq uint64, r record) error {
	if key := seqKey(space, stream, seq); r.again {
		return b.Delete(key, nil)
	} else {
		return b.SingleDelete(key, nil)
	}
}

// settledLocked makes memory follow an outcome that is on disk.
func (q *Queue) settledLocked(l *lease, a queue.Action, after record) {
	s, seq := l.s, l.entry.seq
	s.drop(l)
	s.leaveLocked(l.entry, l.timed)
	switch a {
	case queue.Retry:
		q.arriveLocked(s, entry{after.due, seq}, true)
	case queue.Bury:
		s.buried++
	default:
		s.bytes -= after.size()
		q.bytes.Add(-after.size())
	}
	q.tidyLocked(s)
}
