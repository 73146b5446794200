package pebble_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/pebble"
)

// A power cut keeps what was synced and any part of what was not. These tests
// cut a queue's file system while publishers and workers are busy, open what is
// left, and compare it with what they had been told before.

var cuts = flag.Int("cuts", 200, "power cuts to make")

const (
	cutsEach      = 20 // of a queue; each comes twice
	cutPublishers = 3
	cutWorkers    = 3
	cutAhead      = 20 // outcomes that the crew may be ahead of the next cut
	cutStreams    = 3
)

func TestPowerCuts(t *testing.T) {
	t.Parallel()
	for seed := range uint64((*cuts + cutsEach - 1) / cutsEach) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { cutRun(t, seed) })
	}
}

// step is how far a message is known to have come.
type step uint8

const (
	unknown    step = iota
	publishing      // Publish was called
	published       // and returned
	burying         // Settle was called
	buried          // and returned
	leaving         // Settle with Ack, or Remove, was called
	left            // and returned
)

// fate is what is known of a message.
type fate struct {
	step           step
	begun, retried int // retries: Settle was called, and returned
	twin           string
	again          bool // it is published a second time, perhaps when it is gone: little can be said of it
}

// ledger is what is known of a running queue.
type ledger struct {
	mu    sync.Mutex
	moved sync.Cond        // anything below changed
	fates map[string]*fate // guarded by mu: by body
	done  int              // guarded by mu: calls that returned
	limit int              // guarded by mu: of done; the crew waits there
	ended bool             // guarded by mu
}

func newLedger() *ledger {
	l := &ledger{fates: make(map[string]*fate)}
	l.moved.L = &l.mu
	return l
}

// note changes what is known of a message.
func (l *ledger) note(body string, change func(*fate)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.fates[body]
	if f == nil {
		f = &fate{}
		l.fates[body] = f
	}
	change(f)
}

func (l *ledger) reach(at step, bodies ...string) {
	for _, b := range bodies {
		l.note(b, func(f *fate) { f.step = max(f.step, at) })
	}
}

// count says that a call has returned, and waits until the next may begin.
func (l *ledger) count() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done++
	l.moved.Broadcast()
	for l.done >= l.limit && !l.ended {
		l.moved.Wait()
	}
	return !l.ended
}

func (l *ledger) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.moved.Broadcast()
}

// copyAt waits for so many returned calls and returns a copy of what is known.
func (l *ledger) copyAt(done int) map[string]fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit = max(l.limit, done+cutAhead)
	l.moved.Broadcast()
	for l.done < done && !l.ended {
		l.moved.Wait()
	}
	c := make(map[string]fate, len(l.fates))
	for body, f := range l.fates {
		c[body] = *f
	}
	return c
}

func cutRun(t *testing.T, seed uint64) {
	fs := vfs.NewCrashableMem()
	q := open(t, "data", small(fs))
	l := newLedger()
	ctx, stop := context.WithCancel(t.Context())
	var crew sync.WaitGroup
	for p := range cutPublishers {
		crew.Go(func() { defer l.end(); cutPublisher(ctx, t, q, l, p) })
	}
	for w := range cutWorkers {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		crew.Go(func() { defer l.end(); cutWorker(ctx, t, q, l, rng) })
	}
	rng := rand.New(rand.NewPCG(seed, 100))
	at := 0
	for range cutsEach {
		at += 1 + rng.IntN(30)
		before := l.copyAt(at)
		left := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 70, 100}[rng.IntN(4)], RNG: rng})
		after := l.copyAt(0)
		checkCut(t, left, before, after, rng)
	}
	stop()
	l.end()
	crew.Wait()
}

// cutMessage is half i of pair n of a publisher.
func cutMessage(p, n, i int) queue.Message {
	name := fmt.Sprintf("%d-%d-%d;", p, n, i)
	m := queue.Message{
		Stream: fmt.Sprint("s/", (n+i)%cutStreams), Head: []byte(name), Body: []byte(strings.Repeat(name, 1+(n*7919)%200)),
	}
	if n%2 == 0 {
		m.ID = name
	}
	return m
}

// cutPublisher publishes pairs, and every eighth one again, as if the answer had
// been lost.
func cutPublisher(ctx context.Context, t *testing.T, q *pebble.Queue, l *ledger, p int) {
	for n := 0; l.count(); n++ {
		a, b := cutMessage(p, n, 0), cutMessage(p, n, 1)
		l.note(string(a.Head), func(f *fate) { f.twin, f.again = string(b.Head), n%8 == 0 })
		l.note(string(b.Head), func(f *fate) { f.twin, f.again = string(a.Head), n%8 == 0 })
		l.reach(publishing, string(a.Head), string(b.Head))
		if !cutOK(ctx, t, q.Publish(ctx, a, b)) {
			return
		}
		l.reach(published, string(a.Head), string(b.Head))
		if n%8 == 0 && !cutOK(ctx, t, q.Publish(ctx, a, b)) { // one of them may be done with by now
			return
		}
	}
}

// cutWorker leases, and settles in every way.
func cutWorker(ctx context.Context, t *testing.T, q *pebble.Queue, l *ledger, rng *rand.Rand) {
	for l.count() {
		got, err := q.Lease(ctx, fmt.Sprint("s/", rng.IntN(cutStreams)), 1+rng.IntN(3), time.Hour)
		if !cutOK(ctx, t, err) {
			return
		}
		for _, d := range got {
			if !cutOK(ctx, t, cutSettle(ctx, q, l, d, rng.IntN(10))) {
				return
			}
		}
	}
}

func cutSettle(ctx context.Context, q *pebble.Queue, l *ledger, d queue.Delivery, dice int) error {
	name := string(d.Head)
	o := queue.Outcome{Stream: d.Stream, Seq: d.Seq, Lease: d.Lease}
	switch {
	case dice < 3:
		o.Action = queue.Retry
		l.note(name, func(f *fate) { f.begun++ })
		if err := q.Settle(ctx, o); err != nil {
			return err
		}
		l.note(name, func(f *fate) { f.retried++ })
		return nil
	case dice < 5:
		o.Action, o.Reason = queue.Bury, "broken"
		l.reach(burying, name)
		if err := q.Settle(ctx, o); err != nil {
			return err
		}
		l.reach(buried, name)
		return nil
	}
	l.reach(leaving, name)
	err := q.Settle(ctx, o)
	if err == nil {
		l.reach(left, name)
	}
	return err
}

func cutOK(ctx context.Context, t *testing.T, err error) bool {
	if err != nil && (ctx.Err() == nil || !errors.Is(err, context.Cause(ctx))) {
		t.Errorf("before the end of the run: %v", err)
	}
	return err == nil
}

// checkCut opens what a power cut left, which happened between the two moments
// that the copies describe, then works some of it off, and cuts again.
func checkCut(t *testing.T, fs *vfs.MemFS, before, after map[string]fate, rng *rand.Rand) {
	t.Helper()
	q, err := pebble.Open("data", small(fs))
	if err != nil {
		t.Fatalf("opening after a power cut: %v", err)
	}
	found := remains(t, q)
	checkLeft(t, found, before, after)
	acked := workOff(t, q, rng)
	again := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	if err := q.Close(); err != nil {
		t.Errorf("closing after a power cut: %v", err)
	}
	q, err = pebble.Open("data", small(again))
	if err != nil {
		t.Fatalf("opening after a second power cut: %v", err)
	}
	later := remains(t, q)
	for name, e := range found {
		if e2, there := later[name]; there == acked[name] {
			t.Errorf("%s: acknowledged between the cuts %v, still there %v", name, acked[name], there)
		} else if there && (e2.State != e.State || e2.Seq != e.Seq) {
			t.Errorf("%s was %+v, and is %+v", name, e, e2)
		}
	}
	if err := q.Close(); err != nil {
		t.Errorf("closing after two power cuts: %v", err)
	}
}

// remains returns what is in a queue that nobody uses, by head, and checks that
// the ways of looking at it agree.
func remains(t *testing.T, q *pebble.Queue) map[string]queue.Entry {
	t.Helper()
	out := make(map[string]queue.Entry)
	infos, err := q.Streams(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, i := range infos {
		for _, state := range []queue.State{queue.Waiting, queue.Buried} {
			entries, err := q.List(t.Context(), i.Stream, state, 0, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if _, twice := out[string(e.Head)]; twice && e.ID != "" {
					t.Errorf("%s is there twice", e.Head)
				}
				out[string(e.Head)] = e
				n--
				if f, err := q.Find(t.Context(), "s/", e.ID); e.ID != "" && (err != nil || f.Seq != e.Seq) {
					t.Errorf("finding %s: %+v, %v", e.ID, f, err)
				}
			}
		}
		n += i.Waiting + i.Buried
	}
	if n != 0 {
		t.Errorf("Streams counts %d more than there are", n)
	}
	return out
}

// workOff leases everything, which each message must survive, and acknowledges
// a part.
func workOff(t *testing.T, q *pebble.Queue, rng *rand.Rand) map[string]bool {
	t.Helper()
	acked, waiting := make(map[string]bool), 0
	infos, err := q.Streams(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		waiting += i.Waiting
	}
	if waiting == 0 {
		return acked
	}
	names, err := q.Due(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		got, err := q.Lease(t.Context(), name, 1<<20, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		waiting -= len(got)
		for _, d := range got {
			if want := strings.Repeat(string(d.Head), len(d.Body)/len(d.Head)); want != string(d.Body) {
				t.Errorf("%s has a body that nobody published", d.Head)
			}
			if rng.IntN(2) == 0 {
				if err := q.Settle(t.Context(), queue.Outcome{Stream: d.Stream, Seq: d.Seq, Lease: d.Lease}); err != nil {
					t.Fatal(err)
				}
				acked[string(d.Head)] = true
			}
		}
	}
	if waiting != 0 {
		t.Errorf("%d messages that wait are not handed out", waiting)
	}
	return acked
}

// checkLeft checks what a cut left of every message.
func checkLeft(t *testing.T, found map[string]queue.Entry, before, after map[string]fate) {
	t.Helper()
	for name := range found {
		if after[name].step < publishing {
			t.Errorf("%s is there and was never published", name)
		}
	}
	for name, end := range after {
		begin := before[name]
		e, there := found[name]
		switch {
		case begin.step >= published && end.step < leaving && !there:
			t.Errorf("%s was accepted, and is lost", name)
		case begin.step == left && there && !end.again:
			t.Errorf("%s was acknowledged, and is back", name)
		case !there:
		case begin.step >= buried && e.State != queue.Buried && end.step == buried:
			t.Errorf("%s was buried, and is not", name)
		case end.step < burying && e.State == queue.Buried:
			t.Errorf("%s was never buried, and is", name)
		case e.State == queue.Waiting && (e.Attempt < begin.retried || e.Attempt > end.begun) && !end.again:
			t.Errorf("%s has %d attempts, want %d to %d", name, e.Attempt, begin.retried, end.begun)
		}
		if twin := after[end.twin]; end.step < leaving && twin.step < leaving {
			if _, other := found[end.twin]; there != other {
				t.Errorf("of %s and %s one is there", name, end.twin)
			}
		}
	}
}
