// Package queuetest is the conformance suite of queue.Queue.
//
// Every adapter runs it. Each test names a sentence of the port's comments;
// what an adapter promises beyond them is tested beside the adapter. Every test
// runs in a bubble of testing/synctest, so hours cost nothing and "nobody is
// woken" can be said for certain.
package queuetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Queue is a queue that can be closed.
type Queue interface {
	queue.Queue
	queue.Keeper
	io.Closer
}

// Open opens a queue: the first time an empty one, later what the one before
// has left, which was closed.
type Open func(t *testing.T) Queue

// Adapter is what the suite must know of one.
type Adapter struct {
	New     func(t *testing.T) Open // makes a new, empty place for a queue
	Forgets bool                    // what is closed is lost: tests that open again are left out
}

// Run tests the queues of an adapter. The suite closes them.
func Run(t *testing.T, a Adapter) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if a.Forgets && c.reopens {
				t.Skip("the adapter keeps nothing when it is closed")
			}
			synctest.Test(t, func(t *testing.T) {
				r := &rig{T: t, open: a.New(t)}
				r.reopen()
				t.Cleanup(r.close)
				c.test(r)
			})
		})
	}
}

type testCase struct {
	name    string
	test    func(r *rig)
	reopens bool
}

func cases() []testCase {
	return slices.Concat(publishCases(), leaseCases(), settleCases(), dueCases(), keeperCases(), concurrentCases(), lifeCases(), reopenCases())
}

// rig is a queue under test with short words for what tests do.
type rig struct {
	*testing.T
	open Open
	q    Queue
}

func (r *rig) reopen() {
	r.Helper()
	if r.q != nil {
		r.close()
	}
	r.q = r.open(r.T)
}

func (r *rig) close() {
	r.Helper()
	if err := r.q.Close(); err != nil {
		r.Errorf("closing: %v", err)
	}
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	t := time.NewTimer(d)
	<-t.C
	synctest.Wait()
}

func msg(stream, body string) queue.Message {
	return queue.Message{Stream: stream, Body: []byte(body)}
}

func withID(stream, id, body string) queue.Message {
	m := msg(stream, body)
	m.ID = id
	return m
}

func in(d time.Duration, m queue.Message) queue.Message {
	m.Due = time.Now().Add(d)
	return m
}

func (r *rig) publish(messages ...queue.Message) {
	r.Helper()
	if err := r.q.Publish(r.Context(), messages...); err != nil {
		r.Fatalf("publishing %d messages: %v", len(messages), err)
	}
}

const minute = time.Minute

// lease takes up to n messages for a minute.
func (r *rig) lease(stream string, n int) []queue.Delivery {
	r.Helper()
	return r.leaseFor(stream, n, minute)
}

func (r *rig) leaseFor(stream string, n int, d time.Duration) []queue.Delivery {
	r.Helper()
	got, err := r.q.Lease(r.Context(), stream, n, d)
	if err != nil {
		r.Fatalf("leasing from %s: %v", stream, err)
	}
	return got
}

// one leases the one message with that body.
func (r *rig) one(stream, body string) queue.Delivery {
	r.Helper()
	got := r.lease(stream, 1)
	if bodies(got) != body {
		r.Fatalf("leased %q from %s, want %q", bodies(got), stream, body)
	}
	return got[0]
}

// none checks that nothing can be leased.
func (r *rig) none(stream string) {
	r.Helper()
	if got := r.lease(stream, 10); len(got) > 0 {
		r.Errorf("leased %q from %s, want nothing", bodies(got), stream)
	}
}

// bodies joins the bodies of what was leased.
func bodies(ds []queue.Delivery) string {
	var out []string
	for _, d := range ds {
		out = append(out, string(d.Body))
	}
	return strings.Join(out, " ")
}

func outcome(d queue.Delivery, a queue.Action) queue.Outcome {
	return queue.Outcome{Stream: d.Stream, Seq: d.Seq, Lease: d.Lease, Action: a}
}

func retry(d queue.Delivery, after time.Duration, reason string) queue.Outcome {
	o := outcome(d, queue.Retry)
	o.At, o.Reason = time.Now().Add(after), reason
	return o
}

func bury(d queue.Delivery, reason string) queue.Outcome {
	o := outcome(d, queue.Bury)
	o.Reason = reason
	return o
}

func extend(d queue.Delivery, by time.Duration) queue.Outcome {
	o := outcome(d, queue.Extend)
	o.At = time.Now().Add(by)
	return o
}

func (r *rig) settle(outcomes ...queue.Outcome) {
	r.Helper()
	if err := r.q.Settle(r.Context(), outcomes...); err != nil {
		r.Fatalf("settling %d messages: %v", len(outcomes), err)
	}
}

// conflict checks that outcomes come too late.
func (r *rig) conflict(outcomes ...queue.Outcome) {
	r.Helper()
	wantKind(r.T, r.q.Settle(r.Context(), outcomes...), fn.Conflict)
}

// watch calls Due on and on, and returns what it has said since it was last
// asked: names joined by a space.
func (r *rig) watch() (told func() string) {
	names := make(chan string, 1000)
	go func() {
		for {
			got, err := r.q.Due(r.Context())
			if err != nil {
				return
			}
			slices.Sort(got)
			for _, name := range got {
				names <- name
			}
		}
	}()
	return func() string {
		synctest.Wait()
		var out []string
		for len(names) > 0 {
			out = append(out, <-names)
		}
		return strings.Join(out, " ")
	}
}

// told checks what a watch has said.
func (r *rig) told(watch func() string, want string) {
	r.Helper()
	if got := watch(); got != want {
		r.Errorf("Due told of %q, want %q", got, want)
	}
}

func (r *rig) list(stream string, state queue.State) []queue.Entry {
	r.Helper()
	got, err := r.q.List(r.Context(), stream, state, 0, 1000)
	if err != nil {
		r.Fatalf("listing %s of %s: %v", state, stream, err)
	}
	return got
}

// infos returns what Streams says, in short: "a 1/2/3/4 5B": waiting, delayed,
// leased, buried, bytes.
func (r *rig) infos(prefix string) string {
	r.Helper()
	got, err := r.q.Streams(r.Context(), prefix)
	if err != nil {
		r.Fatalf("describing %q: %v", prefix, err)
	}
	var out []string
	for _, i := range got {
		out = append(out, fmt.Sprintf("%s %d/%d/%d/%d %dB", i.Stream, i.Waiting, i.Delayed, i.Leased, i.Buried, i.Bytes))
	}
	return strings.Join(out, ", ")
}

func (r *rig) wantInfos(prefix, want string) {
	r.Helper()
	if got := r.infos(prefix); got != want {
		r.Errorf("streams %q: %s; want %s", prefix, got, want)
	}
}

func wantKind(t *testing.T, err error, want fn.Kind) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v (%s), want %s", err, fn.KindOf(err), want)
	}
}

func wantDiff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
