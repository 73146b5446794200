package logs

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// trash is the folder removed rings go through. No namespace can have its
// name.
const trash = ".trash"

// Store keeps the rings of all functions. Its methods may be called from
// several goroutines at once.
type Store struct {
	cfg  Config
	root *os.Root

	total   atomic.Int64 // bytes on disk, as far as known; exact after a census
	slow    atomic.Int64 // the disk is left alone until then, Unix nanoseconds
	lines   atomic.Uint64
	bytes   atomic.Uint64
	dropped atomic.Uint64

	batches sync.Pool // of *batch

	mu        sync.Mutex
	rings     map[fn.Ref]*ring     // function → its ring, if it is in use
	instances map[string]*instance // id → those that write, and the newest that have ended
	ended     []*instance          // oldest first, at most maxEnded
	shut      bool
	removed   uint64    // rings removed so far, for names in the trash
	census    time.Time // when the disk was last measured; zero: never

	openMu sync.Mutex
	open   map[*ring]struct{} // rings with an open file
}

// Open makes a store on dir, which is created if need be. It reads nothing but
// dir itself.
func Open(dir string, cfg Config) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the log folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the log folder: %w", err)
	}
	if err := errors.Join(root.RemoveAll(trash), root.Mkdir(trash, 0o700)); err != nil {
		return nil, errors.Join(fmt.Errorf("clearing the log folder: %w", err), root.Close())
	}
	return &Store{
		cfg: cfg.withDefaults(), root: root,
		rings: make(map[fn.Ref]*ring), instances: make(map[string]*instance), open: make(map[*ring]struct{}),
	}, nil
}

// Close closes all files. Readers end; what is written from now on is thrown
// away.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = true
	for ref, r := range s.rings {
		r.mu.Lock()
		r.endLocked()
		r.mu.Unlock()
		delete(s.rings, ref)
	}
	return s.root.Close()
}

// Remove deletes a function's output. Its readers end; what its instances
// still print is thrown away. A function made anew under the same name begins
// with an empty ring.
func (s *Store) Remove(ref fn.Ref) error {
	if err := fn.ValidateRef(ref); err != nil {
		return err
	}
	bin, err := s.discard(ref)
	if err != nil || bin == "" {
		return err
	}
	all, err := segments(s.root, bin)
	for _, seg := range all {
		s.total.Add(-seg.size)
	}
	return errors.Join(err, s.root.RemoveAll(bin))
}

// discard ends a ring and moves its folder out of the way. It returns the
// folder's new name, or "" if there was none.
func (s *Store) discard(ref fn.Ref) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return "", errShut
	}
	if r := s.rings[ref]; r != nil {
		delete(s.rings, ref)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.endLocked()
	}
	s.removed++
	bin := fmt.Sprintf("%s/%d", trash, s.removed)
	switch err := s.root.Rename(dirOf(ref), bin); {
	case errors.Is(err, os.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("removing the output of %s: %w", ref, err)
	}
	_ = s.root.Remove(ref.Namespace) // if that was its last function
	return bin, nil
}

var errShut = fn.Errorf(fn.Unavailable, "the log store is closed")

func dirOf(ref fn.Ref) string { return ref.Namespace + "/" + ref.Name }

// acquire returns the function's ring for use until release.
func (s *Store) acquire(ref fn.Ref) (*ring, error) {
	if err := fn.ValidateRef(ref); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return nil, errShut
	}
	r := s.rings[ref]
	if r == nil {
		r = &ring{s: s, ref: ref, dir: dirOf(ref)}
		s.rings[ref] = r
	}
	r.users++
	return r, nil
}

// release ends a use of r. Sweep removes what nobody uses.
func (s *Store) release(r *ring) {
	s.mu.Lock()
	r.users--
	s.mu.Unlock()
}

// drop deletes one segment.
func (s *Store) drop(dir string, seg segment) error {
	if err := s.root.Remove(segmentName(dir, seg.seq)); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	s.total.Add(-seg.size)
	return nil
}

// opened notes that r, whose lock the caller holds, has opened its file. If
// there are too many, some other that nobody is writing to is closed.
func (s *Store) opened(r *ring) {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	s.open[r] = struct{}{}
	for other := range s.open {
		if len(s.open) <= s.cfg.MaxOpen {
			return
		}
		if other == r || !other.mu.TryLock() {
			continue
		}
		_ = other.file.Close() // nothing is buffered
		other.file = nil
		delete(s.open, other)
		other.mu.Unlock()
	}
}

// closed notes that r has closed its file.
func (s *Store) closed(r *ring) {
	s.openMu.Lock()
	delete(s.open, r)
	s.openMu.Unlock()
}

// Stats are sums since Open.
type Stats struct {
	Lines, Bytes uint64 // written
	Dropped      uint64 // lines that were not: too fast, or the disk refused them
	OnDisk       int64  // bytes now, exact after each census of Sweep
	Open         int    // files open now
}

// Stats returns the store's sums.
func (s *Store) Stats() Stats {
	s.openMu.Lock()
	open := len(s.open)
	s.openMu.Unlock()
	return Stats{
		Lines: s.lines.Load(), Bytes: s.bytes.Load(), Dropped: s.dropped.Load(),
		OnDisk: s.total.Load(), Open: open,
	}
}
