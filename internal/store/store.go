// Package store is the port to desired state.
//
// State is small JSON objects with optimistic concurrency, labels and a watch.
//
// Adapters live in folders below (pebble, memory) and pass the suite in
// storetest. Values are opaque bytes here; package control owns the codec.
// It is not a database: no queries but by kind, namespace and label, and no
// transaction beyond one batch.
package store

import (
	"context"
	"io"
	"iter"
)

// Key names an object. Kind is a short plural ("functions"), Namespace may be
// empty for objects outside any namespace, Name is unique within both.
// None of the three may contain a byte below 0x20, and Kind is not empty.
// Together they are at most MaxKey bytes.
type Key struct{ Kind, Namespace, Name string }

// Object is a stored value. Version is the store-wide sequence number of its
// last write: it only grows, and no two writes share one. An object that a
// Store returned belongs to the caller, who may change its map and bytes.
type Object struct {
	Key
	Version uint64
	Labels  map[string]string
	Value   []byte
}

// Query selects objects: all of Kind, in Namespace (all if empty), whose
// labels include every pair of Labels.
type Query struct {
	Kind, Namespace string
	Labels          map[string]string
}

// Event is one change. Deleted events carry the key, the version of the
// deletion and the last labels and value. A write that takes an object out of a
// watch's selection, by changing its labels, is a Deleted event for that watch.
type Event struct {
	Object
	Deleted bool
}

// Store keeps objects. Every write is durable when the call returns.
// Methods may be called from several goroutines at once. A method whose ctx has
// ended returns its cause; after Close every method returns fn.Unavailable.
// What a method returns is durable, too: no read sees a write that a power cut
// could still undo.
type Store interface {
	// Get returns the object or an fn.NotFound error.
	Get(ctx context.Context, key Key) (Object, error)

	// List returns the selected objects in key order (Key.Compare) as of one
	// moment, and the store's version at that moment (a Watch from it misses
	// nothing). An empty store that was never written has version 0.
	List(ctx context.Context, q Query) ([]Object, uint64, error)

	// Apply makes all changes or none, and returns the version given to each,
	// growing in the order of changes; a delete that found nothing gets 0 and
	// is no event. A change whose IfVersion does not match fails the batch with
	// fn.Conflict, naming the key. Batches that CheckChanges refuses fail as it
	// says. A full disk is fn.Exhausted: nothing was changed, reads still work.
	Apply(ctx context.Context, changes ...Change) ([]uint64, error)

	// Watch yields changes after version from, in order, until ctx ends
	// (yielding its cause last) or the consumer stops. from older than what
	// the store remembers, or newer than its version, yields fn.Exhausted: list
	// again. A slow consumer never blocks writers.
	Watch(ctx context.Context, q Query, from uint64) iter.Seq2[Event, error]

	// Close ends all watches, waits for running calls and frees the store.
	// A second Close does nothing.
	Close() error
}

// Change is one write of a batch.
type Change struct {
	Key
	Labels map[string]string
	Value  []byte // nil deletes
	// IfVersion is the version the object must have now; 0 means it must not
	// exist; AnyVersion skips the check (and a delete of nothing succeeds).
	IfVersion uint64
}

// AnyVersion as Change.IfVersion skips the optimistic check.
const AnyVersion = ^uint64(0)

// Snapshotter is implemented by stores that can be copied while they run.
type Snapshotter interface {
	// Snapshot writes a consistent copy of all objects as of one moment, in
	// the form that package record reads.
	Snapshot(ctx context.Context, w io.Writer) error
}

// Loader is implemented by stores that can be filled from a snapshot.
type Loader interface {
	// Load fills a store that was never written: objects keep the versions
	// they carry, the store's version becomes version. It is durable when the
	// call returns. After an error the content is undefined: throw it away.
	// A store that is not empty refuses with fn.Conflict.
	Load(ctx context.Context, version uint64, objects iter.Seq2[Object, error]) error
}
