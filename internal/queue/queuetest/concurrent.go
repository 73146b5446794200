package queuetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

func concurrentCases() []testCase {
	return []testCase{
		{name: "every message is settled once, whoever does what at once", test: onceEach},
		{name: "every message is settled in the end, though workers vanish", test: inTheEnd},
		{name: "of publishers of one ID one wins", test: onePublisher},
	}
}

const (
	publishers = 20
	each       = 50 // messages of a publisher
	workers    = 6
)

// tally counts what was settled.
type tally struct {
	mu      sync.Mutex
	settled map[string]int // guarded by mu: body → how often
	all     chan struct{}  // closed when everything was settled once
	want    int
}

func newTally(want int) *tally {
	return &tally{settled: make(map[string]int), all: make(chan struct{}), want: want}
}

func (t *tally) add(body string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.settled[body]++; t.settled[body] == 1 && len(t.settled) == t.want {
		close(t.all)
	}
}

// crowd publishes from many goroutines while one calls Due and several lease,
// and returns when all was settled. work says what to do with a delivery; false
// is to vanish without an outcome.
func crowd(r *rig, t *tally, work func(d queue.Delivery) (queue.Outcome, bool)) {
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	names := make(chan string, 1000)
	var all sync.WaitGroup
	all.Go(func() {
		defer close(names)
		for {
			got, err := r.q.Due(ctx)
			if err != nil {
				return
			}
			for _, name := range got {
				names <- name
			}
		}
	})
	for range workers {
		all.Go(func() {
			for name := range names {
				drain(r, t, name, work)
			}
		})
	}
	for p := range publishers {
		all.Go(func() {
			for i := range each {
				m := msg(fmt.Sprint("s", (p+i)%5), fmt.Sprint(p, "-", i))
				if i%3 == 0 {
					m = in(time.Duration(i)*time.Millisecond, m)
				}
				if i%4 == 0 {
					m.ID = string(m.Body)
				}
				r.publish(m)
			}
		})
	}
	r.await(t)
	stop()
	all.Wait()
}

// await fails the test if nothing can happen any more before all is settled.
func (r *rig) await(t *tally) {
	limit := time.NewTimer(1000 * time.Hour) // of the bubble: when all others wait for ever
	defer limit.Stop()
	select {
	case <-t.all:
	case <-limit.C:
		t.mu.Lock()
		defer t.mu.Unlock()
		r.Errorf("%d of %d messages were settled, nobody is told of the others: %s", len(t.settled), t.want, r.infos(""))
	}
}

// drain leases until nothing is left.
func drain(r *rig, t *tally, name string, work func(d queue.Delivery) (queue.Outcome, bool)) {
	for {
		got := r.lease(name, 4)
		if len(got) == 0 {
			return
		}
		for _, d := range got {
			o, ok := work(d)
			if !ok {
				continue
			}
			if err := r.q.Settle(r.Context(), o); err != nil {
				r.Errorf("settling: %v", err)
			} else if o.Action == queue.Ack {
				t.add(string(d.Body))
			}
		}
	}
}

func onceEach(r *rig) {
	t := newTally(publishers * each)
	var mu sync.Mutex
	seen := make(map[string]bool)
	crowd(r, t, func(d queue.Delivery) (queue.Outcome, bool) {
		mu.Lock()
		defer mu.Unlock()
		first := !seen[string(d.Body)]
		seen[string(d.Body)] = true
		if first && len(d.Body)%2 == 0 { // half of them fail the first time
			return retry(d, time.Duration(rand.IntN(50))*time.Millisecond, "once more"), true
		}
		return outcome(d, queue.Ack), true
	})
	for body, n := range t.settled {
		if n != 1 {
			r.Errorf("%s was settled %d times", body, n)
		}
	}
	r.wantInfos("", "")
}

func inTheEnd(r *rig) {
	t := newTally(publishers * each)
	var mu sync.Mutex
	vanish := make(map[string]int)
	crowd(r, t, func(d queue.Delivery) (queue.Outcome, bool) {
		mu.Lock()
		defer mu.Unlock()
		vanish[string(d.Body)]++
		if n := vanish[string(d.Body)]; d.Attempt != n {
			r.Errorf("%s comes for the %dth time as attempt %d", d.Body, n, d.Attempt)
		}
		return outcome(d, queue.Ack), vanish[string(d.Body)] > int(d.Seq%3)
	})
	r.wantInfos("", "")
}

func onePublisher(r *rig) {
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for i := range 10 {
				r.publish(withID("a", fmt.Sprint(i), fmt.Sprint(p)))
			}
		})
	}
	all.Wait()
	if got := r.lease("a", 1000); len(got) != 10 {
		r.Errorf("%d messages for 10 IDs", len(got))
	}
}

func lifeCases() []testCase {
	return []testCase{
		{name: "an ended ctx returns its cause", test: endedContext},
		{name: "a closed queue is unavailable", test: closedQueue},
		{name: "Close ends a Due that waits", test: closeEndsDue},
		{name: "Close waits for running calls", test: closeWaits},
	}
}

// calls makes one call of each method.
func calls(ctx context.Context, q Queue, check func(what string, err error)) {
	check("Publish", q.Publish(ctx, msg("a", "1")))
	_, err := q.Lease(ctx, "a", 1, minute)
	check("Lease", err)
	check("Settle", q.Settle(ctx, queue.Outcome{Stream: "a", Seq: 1, Lease: 1}))
	_, err = q.Due(ctx)
	check("Due", err)
	_, err = q.Streams(ctx, "")
	check("Streams", err)
	_, err = q.List(ctx, "a", queue.Waiting, 0, 1)
	check("List", err)
	_, err = q.Find(ctx, "", "x")
	check("Find", err)
	check("Revive", q.Revive(ctx, "a", 1))
	_, err = q.Remove(ctx, "a", 1)
	check("Remove", err)
}

func endedContext(r *rig) {
	gone := errors.New("client left")
	ctx, cancel := context.WithCancelCause(r.Context())
	cancel(gone)
	calls(ctx, r.q, func(what string, err error) {
		if !errors.Is(err, gone) {
			r.Errorf("%s: got %v, want the cause", what, err)
		}
	})
	r.wantInfos("", "")
}

func closedQueue(r *rig) {
	r.publish(msg("a", "1"))
	r.close() // closing twice is allowed: the rig does it once more
	calls(r.Context(), r.q, func(what string, err error) {
		if !errors.Is(err, fn.Unavailable) {
			r.Errorf("%s: got %v, want unavailable", what, err)
		}
	})
}

func closeEndsDue(r *rig) {
	result := make(chan error)
	go func() {
		_, err := r.q.Due(r.Context())
		result <- err
	}()
	synctest.Wait()
	r.close()
	wantKind(r.T, <-result, fn.Unavailable)
}

func closeWaits(r *rig) {
	started := make(chan struct{}, workers)
	results := make(chan error, workers)
	for i := range workers {
		go func() {
			var err error
			for n := 0; err == nil; n++ {
				err = closeLoop(r, fmt.Sprint("s", i))
				if n == 0 {
					started <- struct{}{}
				}
			}
			results <- err
		}()
	}
	for range workers {
		<-started
	}
	r.close()
	for range workers {
		wantKind(r.T, <-results, fn.Unavailable)
	}
}

func closeLoop(r *rig, stream string) error {
	if err := r.q.Publish(r.Context(), msg(stream, "x")); err != nil {
		return err
	}
	got, err := r.q.Lease(r.Context(), stream, 1, time.Hour)
	if err != nil {
		return err
	}
	return r.q.Settle(r.Context(), outcome(got[0], queue.Ack))
}
