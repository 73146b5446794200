package queuetest

import (
	"bytes"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

func publishCases() []testCase {
	return []testCase{
		{name: "what is published can be leased, whole", test: whole},
		{name: "the queue keeps nothing of what it was given", test: copies},
		{name: "a message is not handed out before it is due", test: notBefore},
		{name: "publishing an ID again is dropped", test: duplicates},
		{name: "an ID is free again when its message is gone", test: freeAgain},
		{name: "one ID may be in several streams", test: idsOfStreams},
		{name: "bad messages are refused, all or none", test: badMessages},
		{name: "bounds are inclusive", test: bounds},
		{name: "nothing published is no error", test: publishNothing},
	}
}

func whole(r *rig) {
	now := time.Now()
	head, body := []byte("POST /a\x00b\r\n"), bytes.Repeat([]byte{0, 1, 2, 255}, 50_000)
	r.publish(queue.Message{Stream: "a/b", ID: "x", Head: head, Body: body})
	got := r.lease("a/b", 5)
	if len(got) != 1 {
		r.Fatalf("leased %d messages, want 1", len(got))
	}
	want := queue.Entry{
		Stream: "a/b", Seq: got[0].Seq, ID: "x", Head: head, Size: len(body), State: queue.Leased,
		Attempt: 1, Published: now, Due: now.Add(minute),
	}
	wantDiff(r.T, "entry", times(want), times(got[0].Entry))
	if !bytes.Equal(got[0].Body, body) || got[0].Seq == 0 {
		r.Errorf("the body or seq %d is wrong", got[0].Seq)
	}
	r.publish(queue.Message{Stream: "a/b"}) // nothing is a message as well
	if got := r.lease("a/b", 1); len(got) != 1 || len(got[0].Body)+len(got[0].Head) != 0 || got[0].ID != "" {
		r.Errorf("an empty message: %+v", got)
	}
}

// times brings the times of an entry into one form.
func times(e queue.Entry) queue.Entry {
	e.Published, e.Due = e.Published.Round(0).UTC(), e.Due.Round(0).UTC()
	return e
}

func copies(r *rig) {
	m := queue.Message{Stream: "a", Head: []byte("head"), Body: []byte("body")}
	r.publish(m)
	copy(m.Head, "HHHH")
	copy(m.Body, "BBBB")
	d := r.one("a", "body")
	copy(d.Head, "hhhh")
	r.settle(retry(d, 0, ""))
	if d := r.one("a", "body"); string(d.Head) != "head" {
		r.Errorf("the head is %q", d.Head)
	}
}

func notBefore(r *rig) {
	r.publish(in(time.Hour, msg("a", "later")), msg("a", "now"), in(-time.Hour, msg("a", "past")))
	if got := bodies(r.lease("a", 10)); got != "now past" {
		r.Errorf("leased %q", got)
	}
	r.pass(time.Hour - time.Second)
	r.one("a", "now") // its lease has passed
	r.one("a", "past")
	r.none("a")
	r.pass(time.Second)
	r.one("a", "later")
}

func duplicates(r *rig) {
	r.publish(withID("a", "x", "first"), withID("a", "x", "same call"), msg("a", "other"))
	r.publish(withID("a", "x", "second"))
	if got := bodies(r.lease("a", 10)); got != "first other" {
		r.Errorf("leased %q", got)
	}
	r.publish(withID("a", "x", "while it is leased"), withID("a", "y", "new"))
	d := r.one("a", "new")
	r.settle(bury(d, "broken"))
	r.publish(withID("a", "y", "while it is buried"))
	r.none("a")
	r.wantInfos("", "a 0/0/2/1 13B")
	r.publish(msg("b", "1"), msg("b", "2")) // without an ID nothing is a duplicate
	if got := bodies(r.lease("b", 10)); got != "1 2" {
		r.Errorf("leased %q", got)
	}
}

func freeAgain(r *rig) {
	r.publish(withID("a", "x", "1"))
	r.settle(outcome(r.one("a", "1"), queue.Ack))
	r.publish(withID("a", "x", "2"))
	d := r.one("a", "2")
	if n, err := r.q.Remove(r.Context(), "a", d.Seq); n != 1 || err != nil {
		r.Errorf("removed %d, error %v", n, err)
	}
	r.publish(withID("a", "x", "3"))
	r.one("a", "3")
}

func idsOfStreams(r *rig) {
	r.publish(withID("a", "x", "1"), withID("b", "x", "2"))
	r.publish(withID("c", "x", "3"))
	r.one("a", "1")
	r.one("b", "2")
	r.one("c", "3")
}

func badMessages(r *rig) {
	good := msg("a", "good")
	for name, m := range map[string]queue.Message{
		"no stream":       {},
		"long stream":     {Stream: strings.Repeat("s", queue.MaxStream+1)},
		"empty part":      {Stream: "a//b"},
		"empty end":       {Stream: "a/"},
		"control in name": {Stream: "a\x00b"},
		"no UTF-8":        {Stream: "a\xff"},
		"long ID":         {Stream: "a", ID: strings.Repeat("i", queue.MaxID+1)},
		"control in ID":   {Stream: "a", ID: "a\x00b"},
	} {
		if err := r.q.Publish(r.Context(), good, m, good); fn.KindOf(err) != fn.Invalid {
			r.Errorf("%s: %v, want invalid", name, err)
		}
	}
	large := queue.Message{Stream: "a", Head: make([]byte, queue.MaxHead+1)}
	wantKind(r.T, r.q.Publish(r.Context(), good, large), fn.TooLarge)
	r.none("a")
	r.wantInfos("", "")
}

func bounds(r *rig) {
	m := queue.Message{
		Stream: strings.Repeat("s", queue.MaxStream), ID: strings.Repeat("i", queue.MaxID),
		Head: bytes.Repeat([]byte("h"), queue.MaxHead), Body: []byte("b"),
	}
	r.publish(m)
	d := r.one(m.Stream, "b")
	if d.ID != m.ID || !bytes.Equal(d.Head, m.Head) {
		r.Error("the ID or head is another one")
	}
	reason := strings.Repeat("é", queue.MaxReason) // two bytes each
	r.settle(bury(d, "x"+reason))
	e := r.list(m.Stream, queue.Buried)[0]
	if len(e.Reason) != queue.MaxReason-1 || !strings.HasPrefix(reason, e.Reason[1:]) {
		r.Errorf("the reason has %d bytes, and was not cut between characters", len(e.Reason))
	}
}

func publishNothing(r *rig) {
	r.publish()
	r.settle()
	r.wantInfos("", "")
}
