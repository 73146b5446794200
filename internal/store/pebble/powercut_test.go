package pebble_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
)

// A power cut keeps what was synced and any part of what was not. These tests
// cut a store's file system while writers are at work, open what is left, and
// compare it with what the writers, a watcher and a reader had been told before.

const (
	cutSeeds   = 20
	cutsEach   = 20
	cutWriters = 4
	trioSize   = 3 // objects of a batch
)

func TestPowerCuts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(cutSeeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { cutRun(t, seed) })
	}
}

// step is how far a batch (a trio of objects) is known to have come.
type step uint8

const (
	unknown  step = iota
	putting       // Apply was called
	put           // Apply returned, or somebody has read it
	removing      // Apply of its deletion was called
	removed       // and returned
)

// ledger is what is known of a running store.
type ledger struct {
	mu      sync.Mutex
	moved   sync.Cond // anything below changed
	trios   [cutWriters][]step
	counts  [cutWriters][2]int // of a writer's counter: acknowledged, being written
	version uint64             // newest acknowledged or read
	acks    int
	limit   int // of acks: writers wait there
	moves   int // calls of reach
	ended   bool
}

// cutAhead is how many acks writers may be ahead of the next cut. They must not
// idle when it comes, and not fill the disk while the one before is checked.
const cutAhead = 20

func newLedger() *ledger {
	l := &ledger{}
	l.moved.L = &l.mu
	return l
}

// reach notes that trio n of writer w has come to at.
func (l *ledger) reach(w, n int, at step, version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.trios[w]) <= n {
		l.trios[w] = append(l.trios[w], unknown)
	}
	l.trios[w][n] = max(l.trios[w][n], at)
	l.version = max(l.version, version)
	if at == put || at == removed {
		l.acks++
	}
	l.moves++
	l.moved.Broadcast()
}

// mayWrite waits until writers may go on; false ends them.
func (l *ledger) mayWrite() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.acks >= l.limit && !l.ended {
		l.moved.Wait()
	}
	return !l.ended
}

// next waits for a move after the one of number last; false ends readers.
func (l *ledger) next(last int) (int, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.moves == last && !l.ended {
		l.moved.Wait()
	}
	return l.moves, !l.ended
}

func (l *ledger) count(w, acked, writing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[w] = [2]int{acked, writing}
}

func (l *ledger) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.moved.Broadcast()
}

// copyAt waits for so many acks and returns a copy.
func (l *ledger) copyAt(acks int) *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = max(l.limit, acks+cutAhead)
	l.moved.Broadcast()
	for l.acks < acks && !l.ended {
		l.moved.Wait()
	}
	c := newLedger()
	c.counts, c.version, c.acks = l.counts, l.version, l.acks
	for w := range l.trios {
		c.trios[w] = append([]step(nil), l.trios[w]...)
	}
	return c
}

func trioKey(w, n, i int) store.Key {
	return store.Key{Kind: "trios", Namespace: fmt.Sprint(w), Name: fmt.Sprintf("%06d-%d", n, i)}
}

func trioValue(w, n int) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("%d/%d;", w, n), 1+(n*7919)%300))
}

func counterKey(w int) store.Key { return store.Key{Kind: "counters", Name: fmt.Sprint(w)} }

func cutRun(t *testing.T, seed uint64) {
	fs := vfs.NewCrashableMem()
	s := open(t, "data", small(fs))
	l := newLedger()
	ctx, stop := context.WithCancel(t.Context())
	var crew sync.WaitGroup
	for w := range cutWriters {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		crew.Go(func() { defer l.end(); cutWriter(ctx, t, s, l, w, rng) })
	}
	crew.Go(func() { cutWatcher(ctx, t, s, l) })
	crew.Go(func() { cutReader(ctx, t, s, l, rand.New(rand.NewPCG(seed, 99))) })
	rng := rand.New(rand.NewPCG(seed, 100))
	at := 0
	for range cutsEach {
		at += 1 + rng.IntN(30)
		before := l.copyAt(at)
		left := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[rng.IntN(4)], RNG: rng})
		after := l.copyAt(0)
		checkCut(t, left, before, after, rng)
	}
	stop()
	l.end()
	crew.Wait()
}

// cutWriter writes trios and counts them, and removes old trios, until ctx ends.
func cutWriter(ctx context.Context, t *testing.T, s *pebble.Store, l *ledger, w int, rng *rand.Rand) {
	version := uint64(0)
	for n := 0; l.mayWrite(); n++ {
		batch := []store.Change{{Key: counterKey(w), Value: fmt.Append(nil, n+1), IfVersion: version}}
		for i := range trioSize {
			batch = append(batch, store.Change{Key: trioKey(w, n, i), Value: trioValue(w, n)})
		}
		l.reach(w, n, putting, 0)
		l.count(w, n, n+1)
		versions, err := s.Apply(ctx, batch...)
		if err != nil {
			checkEnd(ctx, t, err)
			return
		}
		version = versions[0]
		l.count(w, n+1, n+1)
		l.reach(w, n, put, versions[trioSize])
		if old := n - 1 - rng.IntN(20); old >= 0 && !cutRemove(ctx, t, s, l, w, old) {
			return
		}
	}
}

func cutRemove(ctx context.Context, t *testing.T, s *pebble.Store, l *ledger, w, n int) bool {
	var batch []store.Change
	for i := range trioSize {
		batch = append(batch, store.Change{Key: trioKey(w, n, i), IfVersion: store.AnyVersion})
	}
	l.reach(w, n, removing, 0)
	versions, err := s.Apply(ctx, batch...)
	if err != nil {
		checkEnd(ctx, t, err)
		return false
	}
	l.reach(w, n, removed, versions[trioSize-1])
	return true
}

// cutWatcher holds that what a watch has yielded cannot be undone.
func cutWatcher(ctx context.Context, t *testing.T, s *pebble.Store, l *ledger) {
	for {
		_, from, err := s.List(ctx, store.Query{Kind: "trios"})
		for e, werr := range s.Watch(ctx, store.Query{Kind: "trios"}, from) {
			if err = werr; err == nil {
				l.note(e.Object, e.Deleted)
			}
		}
		if !errors.Is(err, fn.Exhausted) {
			checkEnd(ctx, t, err)
			return
		}
	}
}

// cutReader holds that what a read has returned cannot be undone.
func cutReader(ctx context.Context, t *testing.T, s *pebble.Store, l *ledger, rng *rand.Rand) {
	for last, more := l.next(0); more; last, more = l.next(last) {
		w := rng.IntN(cutWriters)
		l.mu.Lock()
		n := max(0, len(l.trios[w])-1)
		l.mu.Unlock()
		k := trioKey(w, n, rng.IntN(trioSize))
		o, err := s.Get(ctx, k)
		if rng.IntN(2) == 0 { // a conflict tells of an object as well
			o, err = store.Object{Key: k}, conflict(ctx, s, k)
		}
		switch {
		case err == nil:
			l.note(o, false)
		case !errors.Is(err, fn.NotFound):
			checkEnd(ctx, t, err)
			return
		}
	}
}

// conflict returns nil if a conflict says that k exists, or fn.NotFound.
func conflict(ctx context.Context, s *pebble.Store, k store.Key) error {
	_, err := s.Apply(ctx, store.Change{Key: k, Value: []byte{}, IfVersion: 1 << 60})
	switch {
	case !errors.Is(err, fn.Conflict):
		return err
	case strings.Contains(err.Error(), "is at version"):
		return nil
	}
	return fn.NotFound
}

// note is reach for a trio that was seen from outside.
func (l *ledger) note(o store.Object, gone bool) {
	var w, n, i int
	fmt.Sscan(o.Namespace, &w)
	fmt.Sscanf(o.Name, "%06d-%d", &n, &i)
	at := put
	if gone {
		at = removed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trios[w][n] = max(l.trios[w][n], at)
	l.version = max(l.version, o.Version)
}

func checkEnd(ctx context.Context, t *testing.T, err error) {
	if ctx.Err() == nil || !errors.Is(err, context.Cause(ctx)) {
		t.Errorf("before the end of the run: %v", err)
	}
}

// checkCut opens what a power cut left, which happened between the two moments
// that the ledgers describe, and then cuts it again.
func checkCut(t *testing.T, fs *vfs.MemFS, before, after *ledger, rng *rand.Rand) {
	t.Helper()
	s, err := pebble.Open("data", small(fs))
	if err != nil {
		t.Fatalf("opening after a power cut: %v", err)
	}
	checkLeft(t, s, before, after)
	k := store.Key{Kind: "later", Name: "a"}
	v, err := s.Apply(t.Context(), store.Change{Key: k, Value: []byte("1")})
	if err != nil || v[0] <= before.version {
		t.Errorf("a write after the cut: version %v, error %v; version %d was known before", v, err, before.version)
	}
	again := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	if err := s.Close(); err != nil {
		t.Errorf("closing after a power cut: %v", err)
	}
	s, err = pebble.Open("data", small(again))
	if err != nil {
		t.Fatalf("opening after a second power cut: %v", err)
	}
	checkLeft(t, s, before, after)
	if o, err := s.Get(t.Context(), k); err != nil || o.Version != v[0] {
		t.Errorf("a write between two cuts: version %d, error %v; want version %d", o.Version, err, v[0])
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing after two power cuts: %v", err)
	}
}

func checkLeft(t *testing.T, s *pebble.Store, before, after *ledger) {
	t.Helper()
	objects, version, err := s.List(t.Context(), store.Query{Kind: "trios"})
	if err != nil || version < before.version {
		t.Errorf("listing: version %d, error %v; version %d was known before the cut", version, err, before.version)
	}
	found := make(map[store.Key]int)
	for _, o := range objects {
		var w, n, i int
		fmt.Sscan(o.Namespace, &w)
		fmt.Sscanf(o.Name, "%06d-%d", &n, &i)
		if string(o.Value) != string(trioValue(w, n)) {
			t.Errorf("%s has a value that nobody wrote", o.Key)
		}
		found[trioKey(w, n, 0)]++
	}
	for w := range cutWriters {
		for n, end := range after.trios[w] {
			begin := unknown
			if n < len(before.trios[w]) {
				begin = before.trios[w][n]
			}
			checkTrio(t, w, n, begin, end, found[trioKey(w, n, 0)])
		}
		checkCounter(t, s, w, before.counts[w][0], after.counts[w][1])
	}
}

// checkTrio checks how many objects of a trio are left by a cut that happened
// when it had come from begin to end.
func checkTrio(t *testing.T, w, n int, begin, end step, left int) {
	t.Helper()
	switch {
	case left != 0 && left != trioSize:
		t.Errorf("writer %d: batch %d is half there: %d objects", w, n, left)
	case begin >= put && end < removing && left == 0:
		t.Errorf("writer %d: batch %d was acknowledged, and is lost", w, n)
	case begin == removed && left > 0:
		t.Errorf("writer %d: the removal of batch %d was acknowledged, and is undone", w, n)
	case end < putting && left > 0:
		t.Errorf("writer %d: batch %d is there and was never written", w, n)
	}
}

func checkCounter(t *testing.T, s *pebble.Store, w, low, high int) {
	t.Helper()
	o, err := s.Get(t.Context(), counterKey(w))
	if err != nil && !errors.Is(err, fn.NotFound) {
		t.Errorf("getting a counter: %v", err)
	}
	n := 0
	if err == nil {
		fmt.Sscan(string(o.Value), &n)
	}
	if n < low || n > high {
		t.Errorf("writer %d: the counter is at %d, want %d to %d", w, n, low, high)
	}
}
