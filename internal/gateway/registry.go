package gateway

import (
	"iter"
	"maps"
	"slices"
	"sync"
)

// registry is a set of what is open now.
type registry[T comparable] struct {
	wake chan struct{} // capacity 1: told when the set stops being empty

	mu      sync.Mutex
	set     map[T]struct{} // guarded by mu
	changed chan struct{}  // guarded by mu; closed by the next remove, if somebody waits
}

func (r *registry[T]) add(v T) {
	r.mu.Lock()
	if r.set == nil {
		r.set = make(map[T]struct{})
	}
	r.set[v] = struct{}{}
	first := len(r.set) == 1
	r.mu.Unlock()
	if first {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

func (r *registry[T]) remove(v T) {
	r.mu.Lock()
	delete(r.set, v)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	r.mu.Unlock()
}

// all lists what is in the set at the time of the call.
func (r *registry[T]) all() iter.Seq[T] {
	return slices.Values(r.list(nil))
}

// list is all, into memory that the caller keeps.
func (r *registry[T]) list(into []T) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.AppendSeq(into[:0], maps.Keys(r.set))
}

// waitBelow waits until fewer than n are in the set. It returns false if stop
// is closed first.
func (r *registry[T]) waitBelow(n int, stop <-chan struct{}) bool {
	for {
		r.mu.Lock()
		if len(r.set) < n {
			r.mu.Unlock()
			return true
		}
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-changed:
		case <-stop:
			return false
		}
	}
}

// waitEmpty waits until the set is empty. It returns false if stop is closed
// first.
func (r *registry[T]) waitEmpty(stop <-chan struct{}) bool { return r.waitBelow(1, stop) }
