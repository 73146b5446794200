package pebble

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/changelog"
	"rouse.dev/rouse/internal/store/record"
)

// Apply implements store.Store. ctx is honoured until the batch has its place in
// the log; from then on the result is what the disk says.
func (s *Store) Apply(ctx context.Context, changes ...store.Change) ([]uint64, error) {
	if err := store.CheckChanges(changes); err != nil {
		return nil, err
	}
	leave, err := s.db.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := s.db.Room(s.reserve); err != nil {
		return nil, err
	}
	f, err := s.stage(ctx, encode(changes), changes)
	if err != nil || f.batch == nil {
		// The answer rests on what is in the air: it may leave when that has landed.
		if werr := s.log.Wait(ctx, f.seen); werr != nil {
			return nil, werr
		}
		return f.versions, err
	}
	if err := f.batch.SyncWait(); err != nil {
		return nil, s.air.crash(err)
	}
	s.air.land(f)
	if err := f.batch.Close(); err != nil {
		return nil, fn.Errorf(fn.Internal, "freeing a written batch: %w", err)
	}
	return f.versions, nil
}

// encoded is a change in bytes. The version in value is not set yet.
type encoded struct{ key, value []byte }

func encode(changes []store.Change) []encoded {
	out := make([]encoded, len(changes))
	for i, c := range changes {
		out[i].key = objectKey(c.Key)
		if c.Value != nil {
			out[i].value = record.AppendValue(nil, store.Object{Labels: c.Labels, Value: c.Value})
		}
	}
	return out
}

// stage checks the batch and gives it versions and its place in the log. The
// flight, which is never nil, has no batch if nothing changes or on an error.
func (s *Store) stage(ctx context.Context, enc []encoded, changes []store.Change) (*flight, error) {
	s.order.Lock()
	defer s.order.Unlock()
	f := &flight{seen: s.next}
	if ctx.Err() != nil {
		return &flight{}, context.Cause(ctx)
	}
	if err := s.fill(f, enc, changes); err != nil || len(f.changes) == 0 {
		return &flight{seen: f.seen, versions: f.versions}, err
	}
	b := s.db.NewBatch()
	if err := write(b, enc, f.versions, f.last()); err != nil {
		return &flight{}, errors.Join(fn.Errorf(fn.Internal, "building a batch: %w", err), b.Close())
	}
	if err := s.air.begin(f); err != nil {
		return &flight{}, errors.Join(err, b.Close())
	}
	if err := s.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return &flight{}, s.air.crash(err)
	}
	f.batch = b
	s.next = f.last()
	return f, nil
}

// fill checks the changes and gives them versions. The caller holds order.
func (s *Store) fill(f *flight, enc []encoded, changes []store.Change) error {
	versions := make([]uint64, len(changes))
	next := s.next
	for i, c := range changes {
		before, err := s.read(c.Key, enc[i].key)
		if err == nil {
			err = c.Match(before)
		}
		if err != nil {
			return err
		}
		e := changelog.Of(c, before, next+1)
		if e == nil {
			continue
		}
		next++
		versions[i] = next
		f.keys = append(f.keys, string(enc[i].key))
		f.changes = append(f.changes, e)
	}
	f.versions = versions
	return nil
}

// write puts the changes that have a version, and the store's own, into b.
func write(b *pebble.Batch, enc []encoded, versions []uint64, last uint64) error {
	for i, e := range enc {
		if versions[i] == 0 {
			continue
		}
		if e.value == nil {
			if err := b.Delete(e.key, nil); err != nil {
				return err
			}
			continue
		}
		record.SetVersion(e.value, versions[i])
		if err := b.Set(e.key, e.value, nil); err != nil {
			return err
		}
	}
	return b.Set(versionKey(), appendVersion(nil, last), nil)
}

// read returns the object as the database shows it now, in the air or not; nil
// if there is none.
func (s *Store) read(key store.Key, enc []byte) (*store.Object, error) {
	value, closer, err := s.db.Get(enc)
	if err == pebble.ErrNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, readError(key, err)
	}
	o, err := record.ParseValue(key, value)
	if cerr := closer.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil {
		return nil, readError(key, err)
	}
	return &o, nil
}

func readError(what any, err error) error {
	return fn.Errorf(fn.Internal, "reading %s: %w", fmt.Sprint(what), err)
}
