package observe

import (
	"hash/maphash"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"rouse.dev/rouse/internal/fn"
)

// Names of the series that stand for many functions. No function can have
// them: an underscore is not allowed in a name.
const (
	restName    = "_other"   // functions beyond Config.Functions
	unknownName = "_unknown" // calls of functions that do not exist
)

// table finds a function's series. Finding takes no lock: each shard is a map
// that is never changed, only replaced.
type table struct {
	seed    maphash.Seed
	limit   int64        // most series
	size    atomic.Int64 // series there are
	shards  [256]tableShard
	rest    *series // for functions beyond limit
	unknown *series
}

type tableShard struct {
	mu sync.Mutex // held while m is replaced
	m  atomic.Pointer[map[fn.Ref]*series]
}

func newTable(limit int) *table {
	return &table{
		seed: maphash.MakeSeed(), limit: int64(limit),
		rest:    &series{ref: fn.Ref{Namespace: restName, Name: restName}},
		unknown: &series{ref: fn.Ref{Namespace: unknownName, Name: unknownName}},
	}
}

func (t *table) shard(ref *fn.Ref) *tableShard {
	return &t.shards[maphash.Comparable(t.seed, *ref)%uint64(len(t.shards))]
}

// find returns the function's series, or nil.
func (t *table) find(ref *fn.Ref) *series {
	if m := t.shard(ref).m.Load(); m != nil {
		return (*m)[*ref]
	}
	return nil
}

// get returns the function's series, made if need be and if there is room.
func (t *table) get(ref *fn.Ref) *series {
	if s := t.find(ref); s != nil {
		return s
	}
	if t.size.Load() >= t.limit {
		return t.rest
	}
	return t.make(ref)
}

func (t *table) make(ref *fn.Ref) *series {
	sh := t.shard(ref)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old := sh.load()
	if s := old[*ref]; s != nil {
		return s
	}
	if t.size.Add(1) > t.limit {
		t.size.Add(-1)
		return t.rest
	}
	own := fn.Ref{Namespace: strings.Clone(ref.Namespace), Name: strings.Clone(ref.Name)}
	s := &series{ref: own}
	m := make(map[fn.Ref]*series, len(old)+1)
	maps.Copy(m, old)
	m[own] = s
	sh.m.Store(&m)
	return s
}

// drop forgets every function that keep does not want.
func (t *table) drop(keep func(fn.Ref) bool) {
	for i := range t.shards {
		t.shards[i].drop(t, keep)
	}
}

func (sh *tableShard) drop(t *table, keep func(fn.Ref) bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	old := sh.load()
	m := make(map[fn.Ref]*series, len(old))
	for ref, s := range old {
		if keep(ref) {
			m[ref] = s
		}
	}
	if n := len(old) - len(m); n > 0 {
		t.size.Add(int64(-n))
		sh.m.Store(&m)
	}
}

// remove forgets one function.
func (t *table) remove(ref fn.Ref) {
	t.shard(&ref).drop(t, func(r fn.Ref) bool { return r != ref })
}

// all yields every series, those that stand for many last.
func (t *table) all(yield func(*series) bool) {
	for i := range t.shards {
		for _, s := range t.shards[i].load() {
			if !yield(s) {
				return
			}
		}
	}
	_ = yield(t.rest) && yield(t.unknown)
}

func (sh *tableShard) load() map[fn.Ref]*series {
	if m := sh.m.Load(); m != nil {
		return *m
	}
	return nil
}
