// Package memory is the store that forgets: the twin of the one on disk, for
// tests.
//
// It keeps every promise of store.Store except to outlive its process.
package memory

import (
	"context"
	"io"
	"iter"
	"slices"
	"sync"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/changelog"
	"rouse.dev/rouse/internal/store/record"
)

// Config is the store's configuration. The zero value is ready to use.
type Config struct {
	Watch changelog.Config // what watches may fall behind by
}

// Store implements store.Store, store.Snapshotter and store.Loader.
type Store struct {
	log *changelog.Log

	mu      sync.RWMutex
	objects map[store.Key]store.Object // guarded by mu; what the values point to never changes
	version uint64                     // guarded by mu
	closed  bool                       // guarded by mu
}

// New returns an empty store.
func New(c Config) *Store {
	return &Store{log: changelog.New(c.Watch, 0), objects: make(map[store.Key]store.Object)}
}

// checkLocked is the beginning of every method.
func (s *Store) checkLocked(ctx context.Context) error {
	if s.closed {
		return errClosed()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func errClosed() error { return fn.Errorf(fn.Unavailable, "the store is closed") }

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Object, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.checkLocked(ctx); err != nil {
		return store.Object{}, err
	}
	if err := key.Check(); err != nil {
		return store.Object{}, err
	}
	o, ok := s.objects[key]
	if !ok {
		return store.Object{}, fn.Errorf(fn.NotFound, "%s does not exist", key)
	}
	return o.Clone(), nil
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Object, uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.checkLocked(ctx); err != nil {
		return nil, 0, err
	}
	if err := q.Check(); err != nil {
		return nil, 0, err
	}
	var out []store.Object
	for _, o := range s.objects {
		if q.Matches(o) {
			out = append(out, o.Clone())
		}
	}
	slices.SortFunc(out, func(a, b store.Object) int { return a.Key.Compare(b.Key) })
	return out, s.version, nil
}

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, changes ...store.Change) ([]uint64, error) {
	if err := store.CheckChanges(changes); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkLocked(ctx); err != nil {
		return nil, err
	}
	versions := make([]uint64, len(changes))
	next := s.version
	var events []*changelog.Change
	for i, c := range changes {
		var cur *store.Object
		if o, ok := s.objects[c.Key]; ok {
			cur = &o
		}
		if err := c.Match(cur); err != nil {
			return nil, err
		}
		if e := changelog.Of(c, cur, next+1); e != nil {
			next++
			versions[i] = next
			events = append(events, e)
		}
	}
	for _, e := range events {
		if e.Deleted {
			delete(s.objects, e.Key)
		} else {
			s.objects[e.Key] = e.Object
		}
	}
	s.version = next
	s.log.Publish(events...)
	return versions, nil
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, q store.Query, from uint64) iter.Seq2[store.Event, error] {
	return s.log.Watch(ctx, q, from)
}

// Snapshot implements store.Snapshotter.
func (s *Store) Snapshot(ctx context.Context, w io.Writer) error {
	s.mu.RLock()
	err := s.checkLocked(ctx)
	version := s.version
	objects := make([]store.Object, 0, len(s.objects))
	for _, o := range s.objects {
		objects = append(objects, o)
	}
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	slices.SortFunc(objects, func(a, b store.Object) int { return a.Key.Compare(b.Key) })
	out := record.NewWriter(w)
	for _, o := range objects {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := out.Write(o); err != nil {
			return err
		}
	}
	return out.Finish(version)
}

// Load implements store.Loader.
func (s *Store) Load(ctx context.Context, version uint64, objects iter.Seq2[store.Object, error]) error {
	loaded := make(map[store.Key]store.Object)
	for o, err := range objects {
		if err == nil {
			err = store.CheckLoad(o, version)
		}
		if err != nil {
			return err
		}
		loaded[o.Key] = o.Clone()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkLocked(ctx); err != nil {
		return err
	}
	if s.version != 0 {
		return fn.Errorf(fn.Conflict, "loading a store: it is not empty, it is at version %d", s.version)
	}
	s.objects, s.version = loaded, version
	s.log.Reset(version)
	return nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.objects = nil
		s.log.Close(errClosed())
	}
	return nil
}

var (
	_ store.Store       = (*Store)(nil)
	_ store.Snapshotter = (*Store)(nil)
	_ store.Loader      = (*Store)(nil)
)
