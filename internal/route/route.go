// Package route maps a function's name to the revisions that serve it.
//
// It is pure: it neither starts nor reaches anything. Reads take no lock, and
// a write copies one small shard, so the cost of both stays flat as functions
// are added.
package route

import (
	"bytes"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/fn"
)

const shards = 512 // a write copies 1/512 of the table

// Table is the routing table of a server. The zero value is not usable: see New.
type Table struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu sync.Mutex                        // serialises writers
	m  atomic.Pointer[map[string]*Entry] // "namespace/name" → entry; the map is immutable
}

// New returns an empty table.
func New() *Table {
	return &Table{seed: maphash.MakeSeed()}
}

// Entry is one function's route. It is immutable once set.
type Entry struct {
	Ref     fn.Ref
	Timeout time.Duration // deadline of one call: hold + run
	targets []target
}

type target struct {
	rev   fn.RevisionRef
	below uint64 // cumulative weight: the target of r in [previous below, below)
	tag   string
}

// NewEntry builds the route of a function from its traffic. Targets with
// weight 0 are reachable by tag only.
func NewEntry(ref fn.Ref, timeout time.Duration, traffic []fn.Target) *Entry {
	e := &Entry{Ref: ref, Timeout: timeout}
	var sum uint64
	for _, t := range traffic {
		sum += uint64(max(t.Weight, 0))
		e.targets = append(e.targets, target{
			rev: fn.RevisionRef{Ref: ref, Number: t.Revision}, below: sum, tag: t.Tag,
		})
	}
	return e
}

// Pick returns the revision that the random number r falls on, or nil if no
// revision takes traffic.
func (e *Entry) Pick(r uint64) *fn.RevisionRef {
	switch len(e.targets) {
	case 0:
		return nil
	case 1:
		if e.targets[0].below == 0 {
			return nil
		}
		return &e.targets[0].rev
	}
	sum := e.targets[len(e.targets)-1].below
	if sum == 0 {
		return nil
	}
	r %= sum
	for i := range e.targets {
		if r < e.targets[i].below {
			return &e.targets[i].rev
		}
	}
	return nil
}

// Tagged returns the revision with this tag, or nil.
func (e *Entry) Tagged(tag []byte) *fn.RevisionRef {
	if len(tag) == 0 {
		return nil
	}
	for i := range e.targets {
		if e.targets[i].tag == string(tag) {
			return &e.targets[i].rev
		}
	}
	return nil
}

// maxKey bounds a lookup key: two labels of 63 bytes and a slash.
const maxKey = 127

// Lookup returns the function's entry, or nil. It does not allocate.
func (t *Table) Lookup(namespace, name []byte) *Entry {
	if len(namespace)+len(name) >= maxKey || bytes.IndexByte(namespace, '/') >= 0 {
		return nil
	}
	var buf [maxKey]byte
	key := append(append(append(buf[:0], namespace...), '/'), name...)
	m := t.shards[maphash.Bytes(t.seed, key)%shards].m.Load()
	if m == nil {
		return nil
	}
	return (*m)[string(key)]
}

// Set adds or replaces a function's entry.
func (t *Table) Set(e *Entry) { t.write(e.Ref, e) }

// Delete removes a function's entry. Removing what is not there is fine.
func (t *Table) Delete(ref fn.Ref) { t.write(ref, nil) }

func (t *Table) write(ref fn.Ref, e *Entry) {
	key := ref.String()
	s := &t.shards[maphash.String(t.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	next := make(map[string]*Entry)
	if old := s.m.Load(); old != nil {
		maps.Copy(next, *old)
	}
	if e == nil {
		delete(next, key)
	} else {
		next[key] = e
	}
	s.m.Store(&next)
}

// Len counts the functions in the table.
func (t *Table) Len() int {
	n := 0
	for i := range t.shards {
		if m := t.shards[i].m.Load(); m != nil {
			n += len(*m)
		}
	}
	return n
}
