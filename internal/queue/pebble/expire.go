package pebble

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Expire implements queue.Keeper. It reads records only, no heads or bodies.
func (q *Queue) Expire(ctx context.Context, stream string, before time.Time, after uint64, limit int) (removed int, next uint64, err error) {
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer leave()
	if limit < 1 {
		return 0, 0, nil
	}
	old, next, err := q.old(ctx, stream, nanos(before), after, limit)
	if err != nil || len(old) == 0 {
		return 0, next, err
	}
	if err := q.forOutcomes(); err != nil {
		return 0, 0, err
	}
	// Looked at once more when nobody can change it: it may have been revived.
	still := func(stream string, seq uint64) (removal, bool, error) {
		r, ok, err := q.record(spaceBuried, stream, seq)
		return removal{seq, r, true}, ok && r.due < nanos(before), err
	}
	err = q.commit(ctx, func(b *pebble.Batch) (land func(), err error) {
		removed, land, err = q.stageRemove(b, stream, old, still)
		return land, err
	})
	if err != nil {
		return 0, 0, err
	}
	return removed, next, nil
}

// old finds what was buried before a time among the next messages that are.
func (q *Queue) old(ctx context.Context, stream string, before int64, after uint64, limit int) (old []uint64, next uint64, err error) {
	seen := 0
	err = q.scan(boundsAfter(spaceBuried, stream, after), func(key, value []byte) (bool, error) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		_, seq, err := parseSeqKey(key)
		if err != nil {
			return false, err
		}
		r, err := parseRecord(value, true)
		if err != nil {
			return false, err
		}
		if r.due < before {
			old = append(old, seq)
		}
		if seen++; seen == limit {
			next = seq
		}
		return seen < limit, nil
	})
	return old, next, err
}
