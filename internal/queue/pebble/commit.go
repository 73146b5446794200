package pebble

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
)

// flight is a batch that the database shows already and a power cut could still
// undo.
type flight struct {
	land func() // makes memory follow, under mu; nil: nothing to do
	down bool   // guarded by mu: it is on disk, and land was called
}

// commit writes what stage puts into a batch, and returns when it is on disk.
// stage runs under order; it returns what the batch does to memory, which is
// called under mu when the batch is on disk, in the order of the log.
//
// ctx is honoured until the batch has its place in the log; from then on the
// result is what the disk says.
func (q *Queue) commit(ctx context.Context, stage func(*pebble.Batch) (land func(), err error)) error {
	f, b, err := q.stage(ctx, stage)
	if err != nil || b == nil {
		return err
	}
	if err := b.SyncWait(); err != nil {
		return q.crash(err)
	}
	q.land(f)
	if err := b.Close(); err != nil {
		return fn.Errorf(fn.Internal, "freeing a written batch: %w", err)
	}
	return nil
}

// stage returns no batch if there is nothing to write.
func (q *Queue) stage(ctx context.Context, stage func(*pebble.Batch) (func(), error)) (*flight, *pebble.Batch, error) {
	q.order.Lock()
	defer q.order.Unlock()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if err := q.failure(); err != nil {
		return nil, nil, err
	}
	b := q.db.NewBatch()
	land, err := stage(b)
	if err != nil || b.Len() == emptyBatch {
		return nil, nil, errors.Join(err, b.Close())
	}
	f := &flight{land: land}
	q.mu.Lock()
	q.air = append(q.air, f)
	q.mu.Unlock()
	if err := q.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return nil, nil, q.crash(err)
	}
	return f, b, nil
}

// emptyBatch is the length of a batch that has nothing in it.
const emptyBatch = 12

// land makes memory follow f and all batches before it in the log.
func (q *Queue) land(f *flight) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for !f.down {
		next := q.air[n]
		if next.land != nil {
			next.land()
		}
		next.down = true
		n++
	}
	clear(q.air[:n])
	if q.air = q.air[n:]; len(q.air) == 0 {
		q.air = nil
	}
}

func (q *Queue) failure() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.broken
}

// crash makes all that follows fail, and returns what it fails with.
func (q *Queue) crash(cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken == nil {
		q.broken = fn.WithHint(fn.Errorf(fn.Unavailable, "writing to the queue's log: %w", cause),
			"see to the disk under the data folder, then start the server again: it recovers everything that was acknowledged")
		q.signal()
	}
	return q.broken
}

func readError(err error) error { return fn.Errorf(fn.Internal, "reading the queue: %w", err) }

// read returns a copy of a value, nil if there is none.
func (q *Queue) read(key []byte) ([]byte, error) {
	value, closer, err := q.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, readError(err)
	}
	out := append([]byte{}, value...)
	if err := closer.Close(); err != nil {
		return nil, readError(err)
	}
	return out, nil
}

// record reads a record in space r or x, and says whether there is one.
func (q *Queue) record(space byte, stream string, seq uint64) (record, bool, error) {
	value, err := q.read(seqKey(space, stream, seq))
	if err != nil || value == nil {
		return record{}, false, err
	}
	r, err := parseRecord(value, true)
	return r, err == nil, err
}
