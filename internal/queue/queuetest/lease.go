package queuetest

import (
	"fmt"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

func leaseCases() []testCase {
	return []testCase{
		{name: "the oldest due come first", test: oldestFirst},
		{name: "a leased message is not handed out twice", test: notTwice},
		{name: "a lease that passes hands the message out again", test: leasePasses},
		{name: "an outcome after the lease is a conflict", test: tooLate},
		{name: "an extended lease holds", test: extended},
		{name: "streams do not mix", test: noMix},
		{name: "a long stream is handed out in order", test: longStream},
		{name: "leasing nothing or for no time is refused", test: badLease},
	}
}

func oldestFirst(r *rig) {
	r.publish(in(2*minute, msg("a", "c")), in(minute, msg("a", "b")))
	r.pass(90 * time.Second)
	r.publish(msg("a", "d1"), msg("a", "d2"))
	r.pass(minute)
	if got := bodies(r.lease("a", 2)); got != "b d1" {
		r.Errorf("leased %q", got)
	}
	if got := bodies(r.lease("a", 10)); got != "d2 c" {
		r.Errorf("leased %q", got)
	}
}

func notTwice(r *rig) {
	r.publish(msg("a", "1"), msg("a", "2"), msg("a", "3"))
	first := r.lease("a", 2)
	if bodies(first) != "1 2" {
		r.Errorf("leased %q", bodies(first))
	}
	r.one("a", "3")
	r.none("a")
	if first[0].Lease == first[1].Lease {
		r.Errorf("two messages share lease %d", first[0].Lease)
	}
}

func leasePasses(r *rig) {
	r.publish(msg("a", "1"), msg("a", "2"))
	r.leaseFor("a", 1, 10*time.Second)
	r.pass(10*time.Second - 1)
	r.one("a", "2")
	r.none("a")
	r.pass(1)
	d := r.one("a", "1")
	if d.Attempt != 2 || d.Reason != "" {
		r.Errorf("attempt %d, reason %q; want the second without a reason", d.Attempt, d.Reason)
	}
	r.pass(2 * minute)
	if got := bodies(r.lease("a", 10)); got != "1 2" { // the older one first, as before
		r.Errorf("leased %q", got)
	}
}

func tooLate(r *rig) {
	r.publish(msg("a", "1"))
	first := r.leaseFor("a", 1, time.Second)[0]
	r.pass(time.Second)
	for _, a := range []queue.Action{queue.Ack, queue.Retry, queue.Bury, queue.Extend} {
		o := outcome(first, a)
		o.At = time.Now().Add(minute)
		r.conflict(o) // nobody else has it yet, but it has passed
	}
	second := r.one("a", "1")
	r.conflict(outcome(first, queue.Ack))
	r.settle(outcome(second, queue.Ack))
	r.conflict(outcome(second, queue.Ack))
	r.wantInfos("", "")
}

func extended(r *rig) {
	r.publish(msg("a", "long"))
	d := r.leaseFor("a", 1, 10*time.Second)[0]
	for range 100 {
		r.pass(9 * time.Second)
		r.settle(extend(d, 10*time.Second))
		r.none("a")
	}
	if e := r.list("a", queue.Leased); len(e) != 1 || !e[0].Due.Equal(time.Now().Add(10*time.Second)) || e[0].Attempt != 1 {
		r.Errorf("the leased one: %+v", e)
	}
	r.settle(outcome(d, queue.Ack))
	r.publish(msg("a", "given up"))
	d = r.one("a", "given up")
	r.settle(extend(d, 2*time.Second)) // a lease may be made shorter
	r.pass(2 * time.Second)
	r.conflict(outcome(d, queue.Ack))
	r.one("a", "given up")
}

func noMix(r *rig) {
	r.publish(msg("a", "1"), msg("a/b", "2"), msg("ab", "3"), msg("a/b/c", "4"))
	r.one("a/b", "2")
	r.one("a", "1")
	r.one("a/b/c", "4")
	r.one("ab", "3")
	for _, s := range []string{"a", "ab", "a/b", "a/b/c", "b", ""} {
		r.none(s)
	}
}

func longStream(r *rig) {
	const n = 1500
	for i := range n {
		r.publish(msg("a", fmt.Sprint(i)))
	}
	next, last := 0, uint64(0)
	for next < n {
		got := r.lease("a", 7)
		for _, d := range got {
			if string(d.Body) != fmt.Sprint(next) || d.Seq <= last {
				r.Fatalf("leased %q as number %d (seq %d after %d)", d.Body, next, d.Seq, last)
			}
			next, last = next+1, d.Seq
		}
		if len(got) == 0 {
			r.Fatalf("nothing is left after %d of %d", next, n)
		}
		r.settle(outcome(got[0], queue.Ack)) // the others stay leased
	}
	r.pass(minute)
	left := r.lease("a", n)
	if want := n - (n+6)/7; len(left) != want {
		r.Fatalf("%d came back, want %d", len(left), want)
	}
	for i := range left[1:] {
		if left[i].Seq >= left[i+1].Seq {
			r.Fatalf("seq %d comes after %d", left[i+1].Seq, left[i].Seq)
		}
	}
}

func badLease(r *rig) {
	r.publish(msg("a", "1"))
	_, err := r.q.Lease(r.Context(), "a", 0, minute)
	wantKind(r.T, err, fn.Invalid)
	_, err = r.q.Lease(r.Context(), "a", 1, 0)
	wantKind(r.T, err, fn.Invalid)
	r.one("a", "1")
}
