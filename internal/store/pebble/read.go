package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/record"
)

// The database's keys: one byte that says what follows.
const (
	spaceObject = 'o' // an encoded store.Key
	spaceMeta   = 'm' // a name of ours
)

func objectKey(k store.Key) []byte {
	return record.AppendKey([]byte{spaceObject}, k)
}

func versionKey() []byte { return []byte{spaceMeta, 'v', 'e', 'r', 's', 'i', 'o', 'n'} }

func appendVersion(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// getter is a database or a snapshot of one.
type getter interface {
	Get(key []byte) ([]byte, io.Closer, error)
}

// readVersion returns the version of the last write that r shows.
func readVersion(r getter) (uint64, error) {
	value, closer, err := r.Get(versionKey())
	if err == pebble.ErrNotFound {
		return 0, nil
	}
	if err != nil {
		return 0, readError("the store's version", err)
	}
	if len(value) != 8 {
		return 0, errors.Join(fn.Errorf(fn.Internal, "reading the store's version: it has %d bytes", len(value)), closer.Close())
	}
	v := binary.BigEndian.Uint64(value)
	return v, closer.Close()
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Object, error) {
	if err := key.Check(); err != nil {
		return store.Object{}, err
	}
	leave, err := s.db.Enter(ctx)
	if err != nil {
		return store.Object{}, err
	}
	defer leave()
	enc := objectKey(key)
	o, err := s.read(key, enc)
	if err != nil {
		return store.Object{}, err
	}
	// Look after the read: a write that it saw is in the air or on disk.
	if v := s.air.above(enc); v > 0 {
		if err := s.log.Wait(ctx, v); err != nil {
			return store.Object{}, err
		}
	}
	if o == nil {
		return store.Object{}, fn.Errorf(fn.NotFound, "%s does not exist", key)
	}
	return *o, nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Object, uint64, error) {
	if err := q.Check(); err != nil {
		return nil, 0, err
	}
	var out []store.Object
	version, err := s.scan(ctx, record.AppendPrefix([]byte{spaceObject}, q), func(key, value []byte) error {
		k, err := record.ParseKey(key)
		if err != nil {
			return err
		}
		o, err := record.ParseValue(k, value)
		if err == nil && q.Matches(o) {
			out = append(out, o)
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return out, version, nil
}

// scan calls visit with the encoded key and value of each object whose database
// key begins with prefix, as of one moment, and returns the version of then.
func (s *Store) scan(ctx context.Context, prefix []byte, visit func(key, value []byte) error) (uint64, error) {
	leave, err := s.db.Enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	snap := s.db.NewSnapshot()
	version, err := readVersion(snap)
	if err == nil {
		err = s.log.Wait(ctx, version) // until all that the snapshot shows is on disk
	}
	if err == nil {
		err = visitAll(ctx, snap, prefix, visit)
	}
	return version, errors.Join(err, snap.Close())
}

func visitAll(ctx context.Context, snap *pebble.Snapshot, prefix []byte, visit func(key, value []byte) error) error {
	it, err := snap.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: record.PrefixEnd(prefix)})
	if err != nil {
		return readError("the objects", err)
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var value []byte
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		} else if value, err = it.ValueAndErr(); err == nil {
			err = visit(it.Key()[1:], value)
		}
	}
	if cerr := it.Close(); err == nil && cerr != nil {
		err = readError("the objects", cerr)
	}
	return err
}
