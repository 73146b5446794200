package async

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/memory"
)

// watched is a queue that notes when it is asked to look for old letters.
type watched struct {
	Queue
	mu     sync.Mutex
	looks  []time.Time // guarded by mu
	limits []int       // guarded by mu
	fails  int         // guarded by mu: how often it fails before it works
}

func (q *watched) Expire(ctx context.Context, stream string, before time.Time, after uint64, limit int) (int, uint64, error) {
	q.mu.Lock()
	q.looks, q.limits = append(q.looks, time.Now()), append(q.limits, limit)
	q.fails--
	failed := q.fails >= 0
	q.mu.Unlock()
	if failed {
		return 0, 0, fn.Errorf(fn.Exhausted, "the disk is full")
	}
	return q.Queue.Expire(ctx, stream, before, after, limit)
}

// letters puts n dead letters into a stream.
func letters(t *testing.T, q *memory.Queue, stream string, n int) {
	t.Helper()
	for i := range n {
		if err := q.Publish(t.Context(), queue.Message{Stream: stream, ID: fmt.Sprint(i), Head: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
	}
	ds, err := q.Lease(t.Context(), stream, n, time.Minute)
	if err != nil || len(ds) != n {
		t.Fatal(len(ds), err)
	}
	for _, d := range ds {
		if err := q.Settle(t.Context(), queue.Outcome{Stream: stream, Seq: d.Seq, Lease: d.Lease, Action: queue.Bury}); err != nil {
			t.Fatal(err)
		}
	}
}

// withLetters runs a test with an engine that finds dead letters at its start.
// Its queue fails that often when it is asked to look for old ones.
func withLetters(t *testing.T, keep time.Duration, fails int, f func(w *world, q *watched)) {
	synctest.Test(t, func(t *testing.T) {
		inner := memory.New(memory.Config{})
		q := &watched{Queue: inner, fails: fails}
		letters(t, inner, streamOf("faas-request", fn.Ref{Namespace: fn.DefaultNamespace, Name: "gone"}), 2*expirePage+1)
		letters(t, inner, callbackStream(fn.Ref{Namespace: "team", Name: "gone"}), 1)
		w := newWorld(t, inner, func(c *Config) { c.Queue, c.KeepDead = q, keep })
		w.run()
		f(w, q)
		w.end()
	})
}

func TestDeadLettersAreKeptForATime(t *testing.T) {
	const many = 2*expirePage + 1
	withLetters(t, 3*time.Hour, 0, func(w *world, _ *watched) {
		ref := w.add("f", answers(500, ""), AttemptsAnnotation, "1")
		w.sleep(2 * time.Hour)
		w.submit(ref, "younger")
		w.must(Call{Ref: ref, ID: "waits", Due: time.Now().Add(24 * time.Hour)})
		w.sleep(50 * time.Minute)
		w.wantInfo("", queue.Info{Buried: many + 2, Delayed: 1})
		w.sleep(80 * time.Minute)
		w.wantInfo("", queue.Info{Buried: 1, Delayed: 1})
		if n, err := w.Redrive(w.t.Context(), ref, "younger"); n != 1 || err != nil {
			t.Errorf("redrive: %d, %v", n, err)
		}
		w.sleep(2 * time.Hour) // it fails again, and is as good as new
		w.wantInfo("", queue.Info{Buried: 1, Delayed: 1})
		w.sleep(2*time.Hour + 10*time.Minute)
		w.wantInfo("", queue.Info{Delayed: 1})
	})
}

func TestDeadLettersAreLookedThroughAFewAtATime(t *testing.T) {
	withLetters(t, time.Minute, 0, func(w *world, q *watched) {
		w.sleep(2*expireEvery + 10*time.Minute)
		w.wantInfo("", queue.Info{})
		q.mu.Lock()
		defer q.mu.Unlock()
		if len(q.looks) != 8 { // three pages and one, first young, then old; nothing to look at any more
			t.Errorf("%d looks: %v", len(q.looks), q.looks)
		}
		for i, limit := range q.limits {
			if limit != expirePage {
				t.Errorf("look %d was at %d letters", i, limit)
			}
			if i > 0 && q.looks[i].Sub(q.looks[i-1]) < expirePause {
				t.Errorf("look %d comes %v after the one before", i, q.looks[i].Sub(q.looks[i-1]))
			}
		}
	})
}

func TestDeadLettersAreLookedForAgainAfterAnError(t *testing.T) {
	withLetters(t, time.Minute, 1, func(w *world, _ *watched) {
		w.sleep(expireEvery + 10*time.Minute)
		w.wantInfo("", queue.Info{})
	})
}

func TestDeadLettersAreKeptForEverIfNobodySaysOtherwise(t *testing.T) {
	withLetters(t, 0, 0, func(w *world, q *watched) {
		w.sleep(3 * expireEvery)
		w.wantInfo("", queue.Info{Buried: 2*expirePage + 2})
		if q.mu.Lock(); len(q.looks) > 0 {
			t.Errorf("looked for old ones at %v", q.looks)
		}
		q.mu.Unlock()
	})
}
