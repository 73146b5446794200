package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/record"
)

// Snapshot implements store.Snapshotter. The database stays open to all other
// calls but Close, which waits for it: give w a deadline or ctx an end.
func (s *Store) Snapshot(ctx context.Context, w io.Writer) error {
	out := record.NewWriter(w)
	version, err := s.scan(ctx, []byte{spaceObject}, out.WriteRaw)
	if err == nil {
		err = out.Finish(version)
	}
	if err != nil {
		return fmt.Errorf("writing a snapshot of the store: %w", err)
	}
	return nil
}

// loadBytes is how much Load hands to the database at once.
const loadBytes = 1 << 20

// Load implements store.Loader. The store takes no writes meanwhile.
func (s *Store) Load(ctx context.Context, version uint64, objects iter.Seq2[store.Object, error]) error {
	leave, err := s.db.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	s.order.Lock()
	defer s.order.Unlock()
	if s.next != 0 {
		return fn.Errorf(fn.Conflict, "loading a store: it is not empty, it is at version %d", s.next)
	}
	b := s.db.NewBatch()
	for o, err := range objects {
		if err == nil {
			err = store.CheckLoad(o, version)
		}
		if err == nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = b.Set(objectKey(o.Key), record.AppendValue(nil, o), nil)
		}
		if err == nil && b.Len() >= loadBytes {
			if err = s.db.Apply(b, pebble.NoSync); err == nil {
				b.Reset()
			}
		}
		if err != nil {
			return errors.Join(err, b.Close())
		}
	}
	return s.finishLoad(b, version)
}

func (s *Store) finishLoad(b *pebble.Batch, version uint64) error {
	err := b.Set(versionKey(), appendVersion(nil, version), nil)
	if err == nil {
		err = s.db.Apply(b, pebble.Sync) // the log is written in order: this syncs what came before
	}
	if err = errors.Join(err, b.Close()); err != nil {
		return fn.Errorf(fn.Internal, "loading a store: %w", err)
	}
	s.next = version
	s.log.Reset(version)
	return nil
}
