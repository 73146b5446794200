package client_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// put adds asynchronous calls of one function: two dead letters, one call that
// waits, one that runs.
func put(q *nativetest.Queue, ref fn.Ref) {
	for id, state := range map[string]queue.State{"wait/1": queue.Waiting, "run+1": queue.Leased} {
		q.Put(async.Letter{ID: id + ref.Name, Ref: ref, Queue: "slow", State: state, Size: 3, Published: nativetest.Epoch})
	}
	for _, id := range []string{"dead:1", "dead:2"} {
		q.Put(async.Letter{
			ID: id, Ref: ref, Queue: "slow", State: queue.Buried, Path: "/a%20b", Size: 2, Attempts: 4,
			Published: nativetest.Epoch, Reason: "status 500: no\nboom",
		})
	}
}

func TestQueueIsDescribed(t *testing.T) {
	s, c := start(t)
	ctx, ref := t.Context(), client.Ref{Namespace: "team", Name: "f"}
	if all, err := c.Queue(ctx); err != nil || len(all) != 0 {
		t.Errorf("nothing waits: %+v, %v", all, err)
	}
	put(s.Queue, fn.Ref(ref))
	put(s.Queue, fn.Ref{Namespace: "default", Name: "g"})
	want := api.QueueStream{
		Function: "f", Namespace: "team", Kind: "calls", Queue: "slow", Waiting: 1, Running: 1, Dead: 2, Bytes: 10, Oldest: &nativetest.Epoch,
	}
	all, err := c.Queue(ctx)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Error(diff)
	}
	if of, err := c.QueueOf(ctx, ref); err != nil || len(of) != 1 || of[0].Function != "f" {
		t.Errorf("%+v, %v", of, err)
	}
	if of, err := c.QueueOf(ctx, client.Ref{Name: "g"}); err != nil || len(of) != 1 || of[0].Namespace != client.DefaultNamespace {
		t.Errorf("in the default namespace: %+v, %v", of, err)
	}
	if of, err := c.QueueOf(ctx, client.Ref{Name: "nobody"}); err != nil || len(of) != 0 {
		t.Errorf("a function that is not there: %+v, %v", of, err)
	}
}

func TestDeadLettersAreReadAndBroughtBack(t *testing.T) {
	s, c := start(t)
	ctx, ref := t.Context(), client.Ref{Name: "f"}
	put(s.Queue, fn.Ref{Namespace: "default", Name: "f"})
	letters, err := c.DeadLetters(ctx, ref, 0)
	if err != nil || len(letters) != 2 {
		t.Fatalf("%+v, %v", letters, err)
	}
	want := api.DeadLetter{
		ID: "dead:1", Kind: "call", Queue: "slow", Path: "/a%20b", Size: 2, Attempts: 4, Published: nativetest.Epoch, Reason: "status 500: no\nboom",
	}
	if diff := cmp.Diff(want, letters[0]); diff != "" {
		t.Error(diff)
	}
	if letters, err := c.DeadLetters(ctx, ref, 1); err != nil || len(letters) != 1 {
		t.Errorf("one: %+v, %v", letters, err)
	}
	if _, err := c.DeadLetters(ctx, ref, 1<<20); kind(err) != "invalid" {
		t.Errorf("too many: %v", err)
	}
	if _, err := c.Redrive(ctx, ref, "nobody"); kind(err) != "not-found" {
		t.Errorf("redriving what is not there: %v", err)
	}
	for _, row := range []struct {
		ids  []string
		want int
	}{{[]string{"dead:2"}, 1}, {nil, 1}, {nil, 0}} {
		if n, err := c.Redrive(ctx, ref, row.ids...); n != row.want || err != nil {
			t.Errorf("redriving %v: %d, %v", row.ids, n, err)
		}
	}
}

func TestMessagesArePurgedAndCallsCancelled(t *testing.T) {
	s, c := start(t)
	ctx, ref := t.Context(), client.Ref{Name: "f"}
	put(s.Queue, fn.Ref{Namespace: "default", Name: "f"})
	put(s.Queue, fn.Ref{Namespace: "default", Name: "g"})
	for _, row := range []struct {
		what api.PurgeRequest
		want int
	}{{api.PurgeRequest{IDs: []string{"dead:2"}}, 1}, {api.PurgeRequest{State: "waiting"}, 1}, {api.PurgeRequest{State: "all"}, 2}, {api.PurgeRequest{}, 0}} {
		if n, err := c.Purge(ctx, ref, row.what); n != row.want || err != nil {
			t.Errorf("%+v: %d, %v", row.what, n, err)
		}
	}
	if _, err := c.Purge(ctx, ref, api.PurgeRequest{State: "some"}); kind(err) != "invalid" {
		t.Errorf("a state that is none: %v", err)
	}
	if err := errors.Join(c.Cancel(ctx, "wait/1g"), c.Cancel(ctx, "run+1g")); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"wait/1g", "dead:1", "../namespaces/default", "a?b"} {
		if err := c.Cancel(ctx, id); kind(err) != "not-found" {
			t.Errorf("%s: %v", id, err)
		}
	}
	if of, err := c.QueueOf(ctx, client.Ref{Name: "g"}); err != nil || len(of) != 1 || of[0].Dead != 2 || of[0].Waiting+of[0].Running != 0 {
		t.Errorf("of the other function: %+v, %v", of, err)
	}
}
