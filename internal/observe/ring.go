package observe

import (
	"sync"
	"unsafe"

	"rouse.dev/rouse/internal/fn"
)

// RecordSize is what one kept call costs in memory, in bytes.
const RecordSize = int(unsafe.Sizeof(fn.Invocation{}))

// chunk is how many records are allocated together.
const chunk = 64

// ring keeps the newest records. It is split by the random part of the call's
// id, so that two calls rarely want the same lock and a call is found without
// looking at all.
type ring struct {
	shards []ringShard // length is a power of two
}

type ringShard struct {
	mu     sync.Mutex
	limit  int                     // records at most
	chunks []*[chunk]fn.Invocation // guarded by mu; grows until it holds limit
	next   int                     // guarded by mu: where the next record goes
	used   int                     // guarded by mu: records there are
	_      [64]byte                // keeps neighbours' locks on other cache lines
}

// newRing makes a ring of at least total records, rounded up to a whole
// number for each shard.
func newRing(total, shards int) *ring {
	r := &ring{shards: make([]ringShard, shards)}
	for i := range r.shards {
		r.shards[i].limit = (total + shards - 1) / shards
	}
	return r
}

func (r *ring) shard(id *fn.CallID) *ringShard {
	return &r.shards[int(id[15])&(len(r.shards)-1)]
}

// add keeps a copy of inv, with ref's strings in place of its own.
func (r *ring) add(inv *fn.Invocation, ref *fn.Ref) {
	s := r.shard(&inv.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit == 0 {
		return
	}
	if s.next == len(s.chunks)*chunk {
		s.chunks = append(s.chunks, new([chunk]fn.Invocation))
	}
	at := s.at(s.next)
	*at = *inv
	at.Revision.Ref = *ref
	s.used = max(s.used, s.next+1)
	s.next = (s.next + 1) % s.limit
}

func (s *ringShard) at(i int) *fn.Invocation { return &s.chunks[i/chunk][i%chunk] }

// each calls f for every record, newest first within a shard, until f
// returns false. f must not keep the pointer.
func (s *ringShard) each(f func(*fn.Invocation) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.used {
		if !f(s.at((s.next - 1 - i + s.used) % s.used)) {
			return
		}
	}
}
