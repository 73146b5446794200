// Package uids gives each function an unprivileged uid of its own.
//
// A uid stays with its function as long as the range lasts; when it is used
// up, the function that has been without instances the longest gives its uid
// away. Two functions never hold the same uid at the same time. The package
// does not touch the host.
package uids

import (
	"container/list"
	"sync"

	"rouse.dev/rouse/internal/fn"
)

// Pool hands out uids. All methods may be called from several goroutines.
type Pool struct {
	base, count int

	mu    sync.Mutex
	next  int               // offset of the first uid never given out; guarded by mu
	start int               // offset the range is begun at
	held  map[fn.Ref]*entry // guarded by mu
	idle  *list.List        // of *entry, longest unused first; guarded by mu
}

type entry struct {
	ref  fn.Ref
	uid  int
	uses int
	elem *list.Element // in idle while uses is 0
}

// New makes a pool of count uids from base. start rotates the order, so that
// two servers on one host with the same range rarely meet.
func New(base, count, start int) *Pool {
	count = max(1, count)
	return &Pool{base: base, count: count, start: start % count, held: map[fn.Ref]*entry{}, idle: list.New()}
}

// Acquire returns the uid of a function and counts one use. Errors wrap
// Exhausted.
func (p *Pool) Acquire(ref fn.Ref) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.held[ref]
	if e == nil {
		uid, ok := p.takeLocked()
		if !ok {
			return 0, fn.WithHint(fn.Errorf(fn.Exhausted, "no uid left for %s: all %d are in use", ref, p.count),
				"give the server a wider uid range")
		}
		e = &entry{ref: ref, uid: uid}
		p.held[ref] = e
	}
	if e.elem != nil {
		p.idle.Remove(e.elem)
		e.elem = nil
	}
	e.uses++
	return e.uid, nil
}

func (p *Pool) takeLocked() (int, bool) {
	if p.next < p.count {
		uid := p.base + (p.start+p.next)%p.count
		p.next++
		return uid, true
	}
	front := p.idle.Front()
	if front == nil {
		return 0, false
	}
	old := p.idle.Remove(front).(*entry)
	delete(p.held, old.ref)
	return old.uid, true
}

// Release ends one use.
func (p *Pool) Release(ref fn.Ref) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.held[ref]
	if e == nil || e.uses == 0 {
		return
	}
	if e.uses--; e.uses == 0 {
		e.elem = p.idle.PushBack(e)
	}
}
