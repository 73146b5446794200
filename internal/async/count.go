package async

import (
	"context"
	"maps"
	"sync"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// held is what the queue holds of one function.
type held struct {
	calls int   // due or under way
	bytes int64 // of all its calls and results, those put aside included
}

// Pending counts the calls of a function that are due or under way, as of a
// second ago at most, while Run runs. It is cheap.
func (e *Engine) Pending(ref fn.Ref) int { return e.held(ref).calls }

// held is as of a second ago at most, while Run runs.
func (e *Engine) held(ref fn.Ref) held {
	if m := e.holds.Load(); m != nil {
		return (*m)[ref]
	}
	return held{}
}

// count takes the numbers held gives.
func (e *Engine) count(ctx context.Context) {
	infos, err := e.cfg.Queue.Streams(ctx, "")
	if err != nil {
		return // said by those who need more than a number
	}
	m := make(map[fn.Ref]held, len(infos))
	for _, i := range infos {
		queueName, ref, ok := parseStream(i.Stream)
		if !ok {
			continue
		}
		h := m[ref]
		if h.bytes += i.Bytes; queueName != "" { // "" is that of callbacks
			h.calls += i.Waiting + i.Leased
		}
		m[ref] = h
	}
	e.holds.Store(&m)
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
