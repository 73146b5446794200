package timer

import (
	"container/heap"
	"context"
	"encoding/hex"
	"hash/fnv"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/fn"
)

// Change is a function that is there, is new, or was changed.
type Change struct {
	fn.Function
	Removed bool // it is gone; only the Ref counts
	Reset   bool // nothing that was said before holds; the Function is empty
}

// Source tells which functions there are.
type Source interface {
	// Follow calls change for each function there is, then for each change,
	// until ctx ends, and returns nil then.
	Follow(ctx context.Context, change func(Change)) error
}

// Submitter accepts calls; *async.Engine is the one there is.
type Submitter interface {
	Submit(ctx context.Context, c async.Call) error
}

// Config is everything a Timer needs.
type Config struct {
	Source Source
	Calls  Submitter
	Log    *slog.Logger
}

// Timer has one goroutine that waits for the next tick of all functions, and
// one that follows the functions. What it costs grows with the functions that
// have a schedule.
type Timer struct {
	cfg     Config
	changed chan struct{} // gets a value when the next tick may be another

	mu    sync.Mutex
	byRef map[fn.Ref]*entry // guarded by mu
	queue entries           // guarded by mu: by time
}

// entry is a function with a schedule. All of it is guarded by Timer.mu.
type entry struct {
	ref      fn.Ref
	text     string // of the schedule
	schedule schedule
	tick     time.Time // the next one to be put into the queue
	at       time.Time // when to do so
	index    int       // in the heap; -1: not in it
}

// New makes a timer. It starts no goroutine.
func New(cfg Config) *Timer {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Timer{cfg: cfg, changed: make(chan struct{}, 1), byRef: make(map[fn.Ref]*entry)}
}

// Run puts ticks into the queue until ctx ends. It is called once.
func (t *Timer) Run(ctx context.Context) error {
	var follower sync.WaitGroup
	follower.Go(func() { t.follow(ctx) })
	defer follower.Wait()
	for {
		e, wait := t.due(time.Now())
		if e != nil {
			t.submit(ctx, e)
			continue
		}
		if !t.wait(ctx, wait) {
			return nil
		}
	}
}

// wait waits for a change, or a time span unless it is 0. It returns false
// when ctx has ended.
func (t *Timer) wait(ctx context.Context, d time.Duration) bool {
	var clock <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		clock = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-t.changed:
	case <-clock:
	}
	return true
}

// follow learns of functions, again and again if it has to.
func (t *Timer) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := t.cfg.Source.Follow(ctx, t.change); err != nil && ctx.Err() == nil {
			t.cfg.Log.Error("schedules cannot be followed, trying again", "error", err)
			pause := time.NewTimer(time.Second)
			select {
			case <-pause.C:
			case <-ctx.Done():
			}
			pause.Stop()
		}
	}
}

// change notes what is now known of a function.
func (t *Timer) change(c Change) {
	text, ok := scheduleOf(c.Annotations)
	s, err := parse(text)
	if err != nil && ok {
		t.cfg.Log.Warn("a schedule is ignored", "function", c.Ref.String(), "error", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.byRef[c.Ref]
	switch {
	case c.Reset:
		t.byRef, t.queue = make(map[fn.Ref]*entry), nil
		return
	case old != nil && !c.Removed && ok && old.text == text:
		return
	case old != nil:
		delete(t.byRef, c.Ref)
		if old.index >= 0 {
			heap.Remove(&t.queue, old.index)
		}
	}
	if c.Removed || !ok || err != nil {
		return
	}
	e := &entry{ref: c.Ref, text: text, schedule: s, index: -1}
	t.byRef[c.Ref] = e
	now := time.Now()
	t.planLocked(e, now, now)
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// planLocked has the first tick after a time put into the queue at a time.
func (t *Timer) planLocked(e *entry, after, at time.Time) {
	tick, ok := e.schedule.next(after)
	if !ok {
		return // it was the last
	}
	e.tick, e.at = tick, at
	heap.Push(&t.queue, e)
}

// due takes the first entry that is due out of the heap; if none is, wait is
// how long to wait, 0 for ever.
func (t *Timer) due(now time.Time) (e *entry, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return nil, 0
	}
	if d := t.queue[0].at.Sub(now); d > 0 {
		return nil, d
	}
	return heap.Pop(&t.queue).(*entry), 0
}

// submit puts a tick into the queue, and plans the one after it for when this
// one has come.
func (t *Timer) submit(ctx context.Context, e *entry) {
	err := t.cfg.Calls.Submit(ctx, e.call())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byRef[e.ref] != e {
		return // changed in the meantime
	}
	now := time.Now()
	switch {
	case err == nil:
		after := e.tick
		if now.After(after) {
			after = now
		}
		t.planLocked(e, after, after)
	case fn.KindOf(err) == fn.NotFound:
		delete(t.byRef, e.ref)
	case ctx.Err() == nil:
		t.cfg.Log.Error("the next call of a schedule cannot be kept, trying again", "function", e.ref.String(), "error", err)
		e.at = now.Add(time.Second)
		heap.Push(&t.queue, e)
	}
}

// call is the asynchronous call of a tick. The same tick of the same schedule
// is the same call.
func (e *entry) call() async.Call {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(e.text)) // cannot fail
	return async.Call{
		Ref: e.ref, ID: async.OwnIDs + hex.EncodeToString(sum.Sum(nil)) + "." + strconv.FormatInt(e.tick.Unix(), 10),
		Header: http.Header{"X-Connector": {"cron-connector"}, "X-Topic": {Topic}},
		Due:    e.tick, While: async.Condition{Annotation: ScheduleAnnotation, Value: e.text},
	}
}

// entries is a heap by time.
type entries []*entry

func (q entries) Len() int           { return len(q) }
func (q entries) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q entries) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].index, q[j].index = i, j }

// Push implements heap.Interface.
func (q *entries) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *entries) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q, e.index = old[:len(old)-1], -1
	return e
}
