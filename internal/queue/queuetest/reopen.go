package queuetest

import (
	"fmt"
	"time"

	"rouse.dev/rouse/internal/queue"
)

func reopenCases() []testCase {
	return []testCase{
		{name: "an opened queue has what the closed one had", test: reopened, reopens: true},
		{name: "an opened queue tells of what is due", test: reopenedDue, reopens: true},
		{name: "a lease does not outlive its queue", test: reopenedLease, reopens: true},
		{name: "Seq goes on", test: reopenedSeq, reopens: true},
	}
}

func reopened(r *rig) {
	r.publish(withID("a", "w", "waiting"), in(time.Hour, withID("a", "d", "delayed")), withID("a", "b", "buried"),
		withID("a", "r", "retried"), withID("a", "g", "gone"))
	got := r.lease("a", 10)
	r.settle(bury(got[1], "broken"), retry(got[2], 2*time.Hour, "later"), outcome(got[3], queue.Ack))
	before := r.list("a", queue.Buried)
	r.reopen()
	r.wantInfos("", "a 1/2/0/1 27B")
	wantDiff(r.T, "buried", times(before[0]), times(r.list("a", queue.Buried)[0]))
	r.publish(withID("a", "w", "again"), withID("a", "d", "again"), withID("a", "b", "again"), withID("a", "r", "again"))
	r.one("a", "waiting")
	r.none("a")
	r.pass(time.Hour)
	if got := bodies(r.lease("a", 10)); got != "waiting delayed" {
		r.Errorf("leased %q", got)
	}
	r.pass(time.Hour)
	last := r.lease("a", 10)
	if bodies(last) != "waiting delayed retried" || last[2].Attempt != 2 || last[2].Reason != "later" {
		r.Errorf("leased %q, the last %+v", bodies(last), last[2].Entry)
	}
	if err := r.q.Revive(r.Context(), "a", before[0].Seq); err != nil {
		r.Fatal(err)
	}
	r.one("a", "buried")
}

func reopenedDue(r *rig) {
	r.publish(msg("a", "1"), in(minute, msg("b", "2")), in(2*minute, msg("c", "3")), msg("d", "4"))
	r.settle(bury(r.one("d", "4"), ""))
	r.reopen()
	w := r.watch()
	r.told(w, "a")
	r.pass(minute)
	r.told(w, "b")
	r.pass(minute)
	r.told(w, "c")
	r.publish(in(minute, msg("b", "5")))
	r.close()
	r.pass(time.Hour)
	r.reopen()
	r.told(r.watch(), "a b c")
}

func reopenedLease(r *rig) {
	r.publish(msg("a", "1"))
	first := r.one("a", "1")
	r.reopen()
	r.conflict(outcome(first, queue.Ack))
	second := r.one("a", "1")
	r.conflict(outcome(first, queue.Ack))
	r.settle(outcome(second, queue.Ack))
	r.reopen()
	r.wantInfos("", "")
}

func reopenedSeq(r *rig) {
	var last uint64
	for i := range 5 {
		r.publish(msg("a", fmt.Sprint(i)))
		d := r.one("a", fmt.Sprint(i))
		if d.Seq <= last {
			r.Errorf("seq %d after %d", d.Seq, last)
		}
		last = d.Seq
		r.settle(outcome(d, queue.Ack)) // nothing is left that carries the number
		r.reopen()
	}
}
