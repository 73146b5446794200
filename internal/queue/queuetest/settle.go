package queuetest

import (
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

func settleCases() []testCase {
	return []testCase{
		{name: "an acknowledged message is gone", test: acked},
		{name: "a retried message comes at its time", test: retried},
		{name: "a buried message stays where it is", test: buried},
		{name: "outcomes are all or none", test: settleAllOrNone},
		{name: "outcomes that make no sense are refused", test: badOutcomes},
		{name: "a stream exists while it holds messages", test: streamsEnd},
		{name: "Streams counts by state", test: counts},
	}
}

func acked(r *rig) {
	r.publish(msg("a", "1"), msg("a", "2"))
	got := r.lease("a", 2)
	r.settle(outcome(got[0], queue.Ack), outcome(got[1], queue.Ack))
	r.pass(2 * minute)
	r.none("a")
	r.wantInfos("", "")
}

func retried(r *rig) {
	r.publish(msg("a", "1"), msg("a", "2"))
	r.settle(retry(r.one("a", "1"), 10*minute, "it said 503"))
	r.one("a", "2")
	r.pass(10*minute - 1)
	r.one("a", "2")
	r.none("a")
	r.pass(1)
	d := r.one("a", "1")
	if d.Attempt != 2 || d.Reason != "it said 503" {
		r.Errorf("attempt %d, reason %q", d.Attempt, d.Reason)
	}
	r.settle(retry(d, -minute, "again"))
	d = r.one("a", "1") // a time that has passed is now
	if d.Attempt != 3 || d.Reason != "again" {
		r.Errorf("attempt %d, reason %q", d.Attempt, d.Reason)
	}
	r.settle(outcome(d, queue.Ack))
}

func buried(r *rig) {
	r.publish(withID("a", "x", "1"))
	r.settle(bury(r.one("a", "1"), "it is broken"))
	r.pass(24 * time.Hour)
	r.none("a")
	got := r.list("a", queue.Buried)
	if len(got) != 1 || got[0].Reason != "it is broken" || got[0].ID != "x" || got[0].Attempt != 1 || got[0].State != queue.Buried {
		r.Errorf("buried: %+v", got)
	}
}

func settleAllOrNone(r *rig) {
	r.publish(msg("a", "1"), msg("a", "2"), msg("b", "3"))
	one := r.leaseFor("a", 1, time.Second)[0]
	two, three := r.one("a", "2"), r.one("b", "3")
	r.pass(time.Second)
	r.conflict(outcome(two, queue.Ack), bury(three, "no"), outcome(one, queue.Ack))
	r.conflict(extend(two, time.Hour), outcome(one, queue.Ack))
	r.wantInfos("", "a 1/0/1/0 2B, b 0/0/1/0 1B")
	r.settle(outcome(two, queue.Ack), bury(three, "yes"))
	r.wantInfos("", "a 1/0/0/0 1B, b 0/0/0/1 1B")
}

func badOutcomes(r *rig) {
	r.publish(msg("a", "1"))
	d := r.one("a", "1")
	wantKind(r.T, r.q.Settle(r.Context(), outcome(d, queue.Ack), outcome(d, queue.Ack)), fn.Invalid)
	wantKind(r.T, r.q.Settle(r.Context(), outcome(d, queue.Extend+1)), fn.Invalid)
	other := d
	other.Lease++
	r.conflict(outcome(other, queue.Ack))
	other = d
	other.Seq++
	r.conflict(outcome(other, queue.Ack))
	other = d
	other.Stream = "b"
	r.conflict(outcome(other, queue.Ack))
	r.settle(outcome(d, queue.Ack))
}

func streamsEnd(r *rig) {
	for range 3 {
		r.publish(msg("a/1", "x"), msg("a/2", "y"))
		r.settle(outcome(r.one("a/1", "x"), queue.Ack))
		r.wantInfos("", "a/2 1/0/0/0 1B")
		r.settle(bury(r.one("a/2", "y"), ""))
		r.wantInfos("a/", "a/2 0/0/0/1 1B")
		if n, err := r.q.Remove(r.Context(), "a/2", r.list("a/2", queue.Buried)[0].Seq); n != 1 || err != nil {
			r.Errorf("removed %d, error %v", n, err)
		}
		r.wantInfos("", "")
	}
}

func counts(r *rig) {
	begin := time.Now()
	r.publish(queue.Message{Stream: "q/a", Head: []byte("12"), Body: []byte("345")})
	r.pass(time.Second)
	r.publish(msg("q/a", "1"), msg("q/a", "1"), in(time.Hour, msg("q/a", "1")), in(2*time.Hour, msg("q/a", "1")))
	r.publish(msg("q/b", "12"), msg("q/ab", "x"), in(minute, msg("r", "")))
	r.wantInfos("q/a", "q/a 3/2/0/0 9B, q/ab 1/0/0/0 1B")
	r.wantInfos("r", "r 0/1/0/0 0B")
	got := r.lease("q/a", 2)
	r.wantInfos("q/a", "q/a 1/2/2/0 9B, q/ab 1/0/0/0 1B")
	r.settle(bury(got[0], ""), retry(got[1], 3*time.Hour, ""))
	r.wantInfos("q/a", "q/a 1/3/0/1 9B, q/ab 1/0/0/0 1B")
	r.pass(time.Hour)
	r.wantInfos("q/", "q/a 2/2/0/1 9B, q/ab 1/0/0/0 1B, q/b 1/0/0/0 2B")
	r.pass(2 * time.Hour)
	r.wantInfos("q/a", "q/a 4/0/0/1 9B, q/ab 1/0/0/0 1B")
	infos, err := r.q.Streams(r.Context(), "q/a")
	if err != nil || !infos[0].Oldest.Equal(begin.Add(time.Second)) { // the first is buried
		r.Errorf("the oldest is of %v, error %v; want %v", infos[0].Oldest, err, begin.Add(time.Second))
	}
	r.wantInfos("nothing", "")
}
