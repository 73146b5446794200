package pebble

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store/changelog"
)

// flight is a batch that the database shows already and a power cut could
// still undo.
type flight struct {
	seen     uint64              // newest version, in the air or not, when the batch was checked
	versions []uint64            // what Apply returns
	batch    *pebble.Batch       // nil: there is nothing to write
	keys     []string            // encoded, one for each of changes
	changes  []*changelog.Change // versions grow
}

// last is for flights that change something.
func (f *flight) last() uint64 { return f.changes[len(f.changes)-1].Version }

// flights are all batches in the air, in the order of their versions, which is
// the order of the write-ahead log: when one is on disk, so are those before.
type flights struct {
	log *changelog.Log

	mu      sync.Mutex
	queue   []*flight         // guarded by mu
	pending map[string]uint64 // guarded by mu: encoded key → newest version in the air
	broken  error             // guarded by mu: why no write can reach the disk any more
}

func (a *flights) init(log *changelog.Log) {
	a.log = log
	a.pending = make(map[string]uint64)
}

// begin must be called before f's batch becomes visible, in version order.
func (a *flights) begin(f *flight) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken != nil {
		return a.broken
	}
	a.queue = append(a.queue, f)
	for i, k := range f.keys {
		a.pending[k] = f.changes[i].Version
	}
	return nil
}

// land publishes f and all flights before it.
func (a *flights) land(f *flight) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(a.queue) && a.queue[n].last() <= f.last() {
		done := a.queue[n]
		for i, k := range done.keys {
			if a.pending[k] == done.changes[i].Version {
				delete(a.pending, k)
			}
		}
		a.log.Publish(done.changes...)
		n++
	}
	clear(a.queue[:n])
	if a.queue = a.queue[n:]; len(a.queue) == 0 {
		a.queue = nil
	}
}

// crash makes every later write fail, and every read that would have to wait
// for a write in the air. It returns what they fail with.
func (a *flights) crash(cause error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken == nil {
		a.broken = fn.WithHint(fn.Errorf(fn.Unavailable, "writing to the store's log: %w", cause),
			"see to the disk under the data folder, then start the server again: it recovers every write that was acknowledged")
		a.log.Close(a.broken)
	}
	return a.broken
}

// above returns the newest version in the air of an encoded key, or 0.
func (a *flights) above(key []byte) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.pending[string(key)]
}
