package queuetest

import (
	"fmt"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

func keeperCases() []testCase {
	return []testCase{
		{name: "List pages through a state in order", test: listPages},
		{name: "List shows what is known", test: listShows},
		{name: "Find looks below a prefix", test: finds},
		{name: "revived messages are due, their attempts counted anew", test: revives},
		{name: "Revive is all or none", test: reviveAllOrNone},
		{name: "Remove takes messages in any state", test: removes},
		{name: "Expire takes what was buried long ago", test: expires},
		{name: "what expires is not revived, and the other way round", test: expiresOrRevives},
	}
}

func listPages(r *rig) {
	for i := range 25 {
		r.publish(msg("a", fmt.Sprint(i)), msg("b", "other"))
	}
	for _, d := range r.lease("a", 5) {
		r.settle(bury(d, string(d.Body)))
	}
	r.lease("a", 3)
	var seqs []uint64
	var after uint64
	for {
		page, err := r.q.List(r.Context(), "a", queue.Waiting, after, 4)
		if err != nil || len(page) > 4 {
			r.Fatalf("a page of %d, error %v", len(page), err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if e.Seq <= after || e.State != queue.Waiting || e.Stream != "a" {
				r.Errorf("after %d: %+v", after, e)
			}
			after = e.Seq
			seqs = append(seqs, e.Seq)
		}
	}
	if len(seqs) != 17 || len(r.list("a", queue.Leased)) != 3 || len(r.list("a", queue.Buried)) != 5 {
		r.Errorf("%d wait, %d are leased, %d are buried", len(seqs), len(r.list("a", queue.Leased)), len(r.list("a", queue.Buried)))
	}
	if got := r.list("none", queue.Waiting); len(got) > 0 {
		r.Errorf("a stream that is not there lists %+v", got)
	}
}

func listShows(r *rig) {
	now := time.Now()
	r.publish(queue.Message{Stream: "a", ID: "x", Head: []byte("head"), Body: []byte("body"), Due: now.Add(time.Hour)})
	want := queue.Entry{
		Stream: "a", ID: "x", Head: []byte("head"), Size: 4, State: queue.Waiting, Published: now, Due: now.Add(time.Hour),
	}
	check := func(state queue.State) {
		r.Helper()
		got := r.list("a", state)
		if len(got) != 1 {
			r.Fatalf("%d are %s", len(got), state)
		}
		want.Seq, want.State = got[0].Seq, state
		wantDiff(r.T, string(state), times(want), times(got[0]))
	}
	check(queue.Waiting)
	r.pass(time.Hour)
	d := r.one("a", "body")
	want.Due, want.Attempt = time.Now().Add(minute), 1
	check(queue.Leased)
	r.settle(retry(d, minute, "why"))
	want.Reason = "why"
	check(queue.Waiting)
	r.pass(minute)
	d = r.one("a", "body")
	r.settle(bury(d, "enough"))
	want.Due, want.Attempt, want.Reason = time.Now(), 2, "enough"
	r.pass(minute)
	check(queue.Buried)
}

func finds(r *rig) {
	r.publish(withID("async/a", "x", "1"), withID("async/b", "x", "2"), withID("events/c", "y", "3"), in(minute, withID("async/b", "z", "4")))
	for _, c := range []struct{ prefix, id, stream string }{
		{"", "y", "events/c"}, {"events/", "y", "events/c"}, {"async/b", "x", "async/b"}, {"async/", "z", "async/b"},
	} {
		if e, err := r.q.Find(r.Context(), c.prefix, c.id); err != nil || e.Stream != c.stream || e.ID != c.id || e.State != queue.Waiting {
			r.Errorf("finding %q below %q: %+v, %v", c.id, c.prefix, e, err)
		}
	}
	for _, c := range []struct{ prefix, id string }{{"async/", "y"}, {"", "w"}, {"", ""}, {"events/", "x"}} {
		_, err := r.q.Find(r.Context(), c.prefix, c.id)
		wantKind(r.T, err, fn.NotFound)
	}
	d := r.one("events/c", "3")
	if e, err := r.q.Find(r.Context(), "events/", "y"); err != nil || e.State != queue.Leased {
		r.Errorf("a leased one: %+v, %v", e, err)
	}
	r.settle(bury(d, "why"))
	if e, err := r.q.Find(r.Context(), "", "y"); err != nil || e.State != queue.Buried || e.Reason != "why" {
		r.Errorf("a buried one: %+v, %v", e, err)
	}
}

func revives(r *rig) {
	r.publish(withID("a", "x", "1"))
	d := r.one("a", "1")
	r.settle(retry(d, 0, "first"))
	d = r.one("a", "1")
	r.settle(bury(d, "second"))
	if err := r.q.Revive(r.Context(), "a", d.Seq); err != nil {
		r.Fatal(err)
	}
	r.wantInfos("", "a 1/0/0/0 1B")
	got := r.one("a", "1")
	if got.Attempt != 1 || got.Seq != d.Seq || got.ID != "x" {
		r.Errorf("revived: %+v", got.Entry)
	}
	r.settle(outcome(got, queue.Ack))
	r.wantInfos("", "")
}

func reviveAllOrNone(r *rig) {
	r.publish(msg("a", "1"), msg("a", "2"))
	one, two := r.one("a", "1"), r.one("a", "2")
	r.settle(bury(one, ""))
	wantKind(r.T, r.q.Revive(r.Context(), "a", one.Seq, two.Seq), fn.NotFound)
	wantKind(r.T, r.q.Revive(r.Context(), "a", one.Seq, 1<<40), fn.NotFound)
	wantKind(r.T, r.q.Revive(r.Context(), "b", one.Seq), fn.NotFound)
	r.wantInfos("", "a 0/0/1/1 2B")
	if err := r.q.Revive(r.Context(), "a", one.Seq, one.Seq); err != nil { // named twice is meant once
		r.Error(err)
	}
	r.wantInfos("", "a 1/0/1/0 2B")
}

func removes(r *rig) {
	r.publish(msg("a", "waiting"), in(time.Hour, msg("a", "delayed")), withID("a", "x", "leased"), msg("a", "buried"), msg("a", "stays"))
	all := r.list("a", queue.Waiting)
	got := r.lease("a", 4)
	if bodies(got) != "waiting leased buried stays" {
		r.Fatalf("leased %q", bodies(got))
	}
	r.settle(bury(got[2], ""), extend(got[0], time.Second), extend(got[3], time.Second))
	r.pass(time.Second)
	n, err := r.q.Remove(r.Context(), "a", all[0].Seq, all[1].Seq, all[2].Seq, all[3].Seq, all[3].Seq, 1<<40)
	if n != 4 || err != nil {
		r.Errorf("removed %d, error %v", n, err)
	}
	r.conflict(outcome(got[1], queue.Ack))
	r.wantInfos("", "a 1/0/0/0 5B")
	r.one("a", "stays")
	r.pass(2 * time.Hour)
	if got := bodies(r.lease("a", 10)); got != "stays" {
		r.Errorf("leased %q", got)
	}
	if n, err := r.q.Remove(r.Context(), "none", 1); n != 0 || err != nil {
		r.Errorf("removed %d, error %v", n, err)
	}
}

// expire calls Expire until it has seen all, and returns what was removed each
// time.
func (r *rig) expire(stream string, before time.Time, limit int) string {
	r.Helper()
	var out []string
	for after := uint64(0); ; {
		n, next, err := r.q.Expire(r.Context(), stream, before, after, limit)
		if err != nil {
			r.Fatal(err)
		}
		out = append(out, fmt.Sprint(n))
		if next == 0 {
			return strings.Join(out, " ")
		}
		if next <= after {
			r.Fatalf("after %d comes %d", after, next)
		}
		after = next
	}
}

func expires(r *rig) {
	r.publish(withID("a", "x", "1"), msg("a", "2"), msg("a", "3"), msg("a", "4"), msg("a", "waits"), msg("b", "5"))
	got := r.lease("a", 4)
	r.settle(bury(got[3], "")) // the order of burying is not that of publishing
	r.pass(time.Second)
	r.settle(bury(got[0], ""), bury(r.one("b", "5"), ""))
	middle := time.Now()
	r.pass(time.Second)
	r.settle(bury(got[1], ""))
	r.wantInfos("", "a 1/0/1/3 9B, b 0/0/0/1 1B")
	if got := r.expire("a", middle, 2); got != "0 1" && got != "0 1 0" {
		r.Errorf("what was buried before %v: removed %s", middle, got)
	}
	r.wantInfos("", "a 1/0/1/2 8B, b 0/0/0/1 1B")
	if got := r.expire("a", middle.Add(1), 100); got != "1" {
		r.Errorf("a moment later: removed %s", got)
	}
	for _, stream := range []string{"a", "none"} {
		if got := r.expire(stream, middle.Add(time.Second), 1); got != "0" && got != "0 0" {
			r.Errorf("%s, once more: removed %s", stream, got)
		}
	}
	if n, next, err := r.q.Expire(r.Context(), "a", time.Now(), 0, 0); n != 0 || next != 0 || err != nil {
		r.Errorf("looking at none: %d, %d, %v", n, next, err)
	}
	r.publish(withID("a", "x", "again")) // the ID is free
	r.settle(outcome(got[2], queue.Ack))
	r.expire("a", time.Now().Add(time.Hour), 100)
	r.expire("b", time.Now().Add(time.Hour), 100)
	r.wantInfos("", "a 2/0/0/0 10B")
	if got := bodies(r.lease("a", 10)); got != "waits again" {
		r.Errorf("leased %q", got)
	}
}

func expiresOrRevives(r *rig) {
	for i := range 50 {
		r.publish(msg("a", fmt.Sprint(i)))
	}
	for _, d := range r.lease("a", 50) {
		r.settle(bury(d, ""))
	}
	r.pass(time.Second)
	all, cutoff := r.list("a", queue.Buried), time.Now()
	revived := make(chan int, 1)
	go func() {
		n := 0
		for _, e := range all {
			if r.q.Revive(r.Context(), "a", e.Seq) == nil {
				n++
			}
		}
		revived <- n
	}()
	removed := 0
	for range 50 {
		n, _, err := r.q.Expire(r.Context(), "a", cutoff, 0, 2)
		if err != nil {
			r.Error(err)
		}
		removed += n
	}
	n := <-revived
	if due := len(r.lease("a", 100)); due != n || removed+n != 50 {
		r.Errorf("%d were removed, %d revived, %d can be leased", removed, n, due)
	}
}
