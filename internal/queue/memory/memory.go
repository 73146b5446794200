// Package memory is the queue that forgets: the twin of the one on disk, for
// tests.
//
// It keeps every promise of queue.Queue or queue.Keeper except to outlive its
// process. It looks through all it holds more often than a server should.
package memory

import (
	"context"
	"slices"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Config is the queue's configuration. Zero fields mean the default.
type Config struct {
	MaxBytes int64 // of heads and bodies held, default 256 MiB
	MaxBody  int   // bytes of one body, default 16 MiB
}

// maxTotal bounds one Publish.
const maxTotal = 64 << 20

// Queue implements queue.Queue and queue.Keeper.
type Queue struct {
	limits   queue.Limits
	maxBytes int64
	wake     chan struct{} // holds one token if Due has something to look at
	shut     chan struct{} // closed by Close

	mu      sync.Mutex
	streams map[string]*stream // guarded by mu
	ready   []string           // guarded by mu: what Due returns next
	seq     uint64             // guarded by mu: the last one given out
	lease   uint64             // guarded by mu: the last one given out
	bytes   int64              // guarded by mu: of all streams
	closed  bool               // guarded by mu
}

// New returns an empty queue.
func New(c Config) *Queue {
	if c.MaxBytes == 0 {
		c.MaxBytes = 256 << 20
	}
	if c.MaxBody == 0 {
		c.MaxBody = 16 << 20
	}
	return &Queue{
		limits: queue.Limits{Body: c.MaxBody, Total: maxTotal}, maxBytes: c.MaxBytes,
		wake: make(chan struct{}, 1), shut: make(chan struct{}), streams: make(map[string]*stream),
	}
}

// beginLocked is the beginning of every method.
func (q *Queue) beginLocked(ctx context.Context) error {
	if q.closed {
		return errClosed()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	q.sweepLocked(time.Now())
	return nil
}

func errClosed() error { return fn.Errorf(fn.Unavailable, "the queue is closed") }

// Publish implements queue.Queue.
func (q *Queue) Publish(ctx context.Context, messages ...queue.Message) error {
	if err := queue.CheckMessages(q.limits, messages); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return err
	}
	fresh, size := q.freshLocked(messages)
	if q.bytes+size > q.maxBytes {
		return fn.Errorf(fn.Exhausted, "the queue holds %d bytes, %d more do not fit", q.bytes, size)
	}
	now := time.Now()
	for _, m := range fresh {
		q.seq++
		q.putLocked(&message{
			Entry: queue.Entry{
				Stream: m.Stream, Seq: q.seq, ID: m.ID, Head: slices.Clone(m.Head), Size: len(m.Body),
				State: queue.Waiting, Published: now,
			},
			body: slices.Clone(m.Body), due: later(m.Due, now),
		})
	}
	q.sweepLocked(now)
	q.signal()
	return nil
}

// freshLocked returns the messages that are no duplicates, with their bytes.
func (q *Queue) freshLocked(messages []queue.Message) (fresh []queue.Message, size int64) {
	for _, m := range messages {
		same := func(o queue.Message) bool { return o.Stream == m.Stream && o.ID == m.ID }
		if m.ID != "" && (q.byIDLocked(m.Stream, m.ID) != nil || slices.ContainsFunc(fresh, same)) {
			continue
		}
		fresh = append(fresh, m)
		size += int64(len(m.Head) + len(m.Body))
	}
	return fresh, size
}

// later is t, or now if that has passed.
func later(t, now time.Time) time.Time {
	if t.Before(now) {
		return now
	}
	return t
}

// Lease implements queue.Queue.
func (q *Queue) Lease(ctx context.Context, name string, max int, d time.Duration) ([]queue.Delivery, error) {
	if max < 1 || d <= 0 {
		return nil, fn.Errorf(fn.Invalid, "leasing %d messages for %v", max, d)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return nil, err
	}
	s := q.streams[name]
	if s == nil {
		return nil, nil
	}
	now := time.Now()
	n := min(s.dueBy(now), max)
	var out []queue.Delivery
	for _, m := range s.waiting[:n] {
		q.lease++
		m.State, m.lease, m.until = queue.Leased, q.lease, now.Add(d)
		m.Attempt++
		s.leased[m.Seq] = m
		out = append(out, queue.Delivery{Entry: m.entry(), Body: slices.Clone(m.body), Lease: m.lease})
	}
	s.waiting = slices.Delete(s.waiting, 0, n)
	q.signal()
	return out, nil
}

// Settle implements queue.Queue.
func (q *Queue) Settle(ctx context.Context, outcomes ...queue.Outcome) error {
	if err := queue.CheckOutcomes(outcomes); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return err
	}
	leased := make([]*message, len(outcomes))
	for i, o := range outcomes {
		m := q.messageLocked(o.Stream, o.Seq)
		if m == nil || m.State != queue.Leased || m.lease != o.Lease {
			return fn.Errorf(fn.Conflict, "settling message %d of %s: lease %d has passed", o.Seq, o.Stream, o.Lease)
		}
		leased[i] = m
	}
	now := time.Now()
	for i, o := range outcomes {
		q.settleLocked(leased[i], o, now)
	}
	q.sweepLocked(now)
	q.signal()
	return nil
}

func (q *Queue) settleLocked(m *message, o queue.Outcome, now time.Time) {
	switch o.Action {
	case queue.Ack:
		q.dropLocked(m)
	case queue.Retry:
		m.Reason = queue.CutReason(o.Reason)
		m.due = later(o.At, now)
		q.streams[m.Stream].wait(m)
	case queue.Bury:
		delete(q.streams[m.Stream].leased, m.Seq)
		m.State, m.Reason, m.due = queue.Buried, queue.CutReason(o.Reason), now
	case queue.Extend:
		m.until = o.At
	}
}

// Due implements queue.Queue.
func (q *Queue) Due(ctx context.Context) ([]string, error) {
	for {
		names, next, err := q.look(ctx)
		if err != nil || len(names) > 0 {
			return names, err
		}
		if err := q.await(ctx, next); err != nil {
			return nil, err
		}
	}
}

// look takes the names that are ready, and says when to look again; zero: not
// before something changes.
func (q *Queue) look(ctx context.Context) (names []string, next time.Time, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return nil, next, err
	}
	for _, name := range q.ready {
		if s := q.streams[name]; s != nil {
			s.ready = false
			if s.dueBy(time.Now()) > 0 {
				names = append(names, name)
			}
		}
	}
	q.ready = nil
	return names, q.nextLocked(), nil
}

func (q *Queue) await(ctx context.Context, next time.Time) error {
	var clock <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		clock = t.C
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-q.shut:
		return errClosed()
	case <-q.wake:
	case <-clock:
	}
	return nil
}

// signal makes a waiting Due look again.
func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close ends the queue: what it holds is forgotten.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		q.streams = nil
		close(q.shut)
	}
	return nil
}

var (
	_ queue.Queue  = (*Queue)(nil)
	_ queue.Keeper = (*Queue)(nil)
)
