package async

import (
	"context"
	"maps"
	"sync"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Pending counts the calls of a function that are due or under way, as of a
// second ago at most, while Run runs. It is cheap.
func (e *Engine) Pending(ref fn.Ref) int {
	if m := e.pending.Load(); m != nil {
		return (*m)[ref]
	}
	return 0
}

// count takes the numbers Pending gives.
func (e *Engine) count(ctx context.Context) {
	infos, err := e.cfg.Queue.Streams(ctx, callPrefix)
	if err != nil {
		return // said by those who need more than a number
	}
	m := make(map[fn.Ref]int, len(infos))
	for _, i := range infos {
		if _, ref, ok := parseStream(i.Stream); ok && i.Waiting+i.Leased > 0 {
			m[ref] += i.Waiting + i.Leased
		}
	}
	e.pending.Store(&m)
}

// Totals is what was done for one function, by queue, since the start.
type Totals struct {
	Queue     string
	Ref       fn.Ref
	Submitted uint64 // calls accepted
	Processed uint64 // calls done with, whatever came of them
	InFlight  int    // under way
	Pending   int    // due or under way
}

// Totals returns the numbers of all functions that were called
// asynchronously, in no order.
func (e *Engine) Totals() []Totals {
	out := e.totals.all()
	for i := range out {
		out[i].Pending = e.Pending(out[i].Ref)
	}
	return out
}

// Forget drops the numbers of a removed function. Its calls stay: it may be on
// its way back.
func (e *Engine) Forget(ref fn.Ref) { e.totals.forget(ref) }

type totalsKey struct {
	queue string
	ref   fn.Ref
}

// totals counts. Its zero value is empty.
type totals struct {
	mu sync.Mutex
	m  map[totalsKey]Totals // guarded by mu
}

func (t *totals) change(ref fn.Ref, queueName string, f func(*Totals)) {
	key := totalsKey{queueName, ref}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = make(map[totalsKey]Totals)
	}
	n := t.m[key]
	n.Queue, n.Ref = queueName, ref
	f(&n)
	t.m[key] = n
}

func (t *totals) submitted(ref fn.Ref, queueName string) {
	t.change(ref, queueName, func(n *Totals) { n.Submitted++ })
}

// began notes that a try begins.
func (t *totals) began(d *delivery) {
	queueName, ref, _ := parseStream(d.Stream)
	t.change(ref, queueName, func(n *Totals) { n.InFlight++ })
}

// ended notes what a try led to.
func (t *totals) ended(d *delivery, v *verdict) {
	queueName, ref, _ := parseStream(d.Stream)
	t.change(ref, queueName, func(n *Totals) {
		n.InFlight--
		if v.void || v.action != queue.Retry {
			n.Processed++
		}
	})
}

func (t *totals) forget(ref fn.Ref) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.m, func(k totalsKey, n Totals) bool { return k.ref == ref && n.InFlight == 0 })
}

func (t *totals) all() []Totals {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Totals, 0, len(t.m))
	for _, n := range t.m {
		out = append(out, n)
	}
	return out
}
