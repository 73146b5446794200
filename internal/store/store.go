// Package store is the port to desired state: small JSON objects with
// optimistic concurrency, labels and a watch.
//
// Adapters live in folders below (pebble, memory) and pass the suite in
// storetest. Values are opaque bytes here; package control owns the codec.
package store

import (
	"context"
	"io"
	"iter"
)

// Key names an object. Kind is a short plural ("functions"), Namespace may be
// empty for objects outside any namespace, Name is unique within both.
// None of the three may contain a byte below 0x20, and Kind is not empty.
type Key struct{ Kind, Namespace, Name string }

// Object is a stored value. Version is the store-wide sequence number of its
// last write: it only grows, and no two writes share one.
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
// deletion and the last value.
type Event struct {
	Object
	Deleted bool
}

// Store keeps objects. Every write is durable when the call returns.
// Methods may be called from several goroutines at once.
type Store interface {
	// Get returns the object or an fn.NotFound error.
	Get(ctx context.Context, key Key) (Object, error)

	// List returns the selected objects in key order as of one moment, and
	// the store's version at that moment (a Watch from it misses nothing).
	List(ctx context.Context, q Query) ([]Object, uint64, error)

	// Apply makes all changes or none, and returns the version given to each.
	// A change whose IfVersion does not match fails the batch with
	// fn.Conflict, naming the key.
	Apply(ctx context.Context, changes ...Change) ([]uint64, error)

	// Watch yields changes after version from, in order, until ctx ends
	// (yielding its cause last) or the consumer stops. from older than what
	// the store remembers yields fn.Exhausted: list again. A slow consumer
	// never blocks writers.
	Watch(ctx context.Context, q Query, from uint64) iter.Seq2[Event, error]

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
	// Snapshot writes a consistent copy of all objects as of one moment.
	Snapshot(ctx context.Context, w io.Writer) error
}
