package queuetest

import (
	"context"
	"errors"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

func dueCases() []testCase {
	return []testCase{
		{name: "Due tells of what is published, once", test: dueOnce},
		{name: "Due tells of what was there before it was called", test: dueBefore},
		{name: "Due tells when the time has come", test: dueTime},
		{name: "Due tells of a lease that passes", test: dueExpiry},
		{name: "Due tells of a retry", test: dueRetry},
		{name: "Due tells of what is revived", test: dueRevived},
		{name: "Due does not tell of what is gone", test: dueGone},
		{name: "a busy stream does not hide another", test: dueFair},
		{name: "Due ends with its ctx or the queue", test: dueEnds},
	}
}

func dueOnce(r *rig) {
	w := r.watch()
	r.told(w, "")
	r.publish(msg("a", "1"), msg("a", "2"), msg("b", "3"))
	r.told(w, "a b")
	r.pass(time.Hour) // what nobody leases is not told of again
	r.told(w, "")
	r.publish(msg("a", "4"))
	r.told(w, "a")
	r.lease("a", 10)
	r.told(w, "")
}

func dueBefore(r *rig) {
	r.publish(msg("a", "1"), msg("a", "2"))
	r.publish(msg("b", "3"))
	r.publish(in(time.Hour, msg("c", "4")))
	r.told(r.watch(), "a b")
}

func dueTime(r *rig) {
	w := r.watch()
	r.publish(in(3*minute, msg("a", "3")), in(minute, msg("a", "1")), in(2*minute, msg("b", "2")))
	r.told(w, "")
	r.pass(minute - 1)
	r.told(w, "")
	r.pass(1)
	r.told(w, "a")
	r.one("a", "1")
	r.pass(minute - 1)
	r.told(w, "")
	r.pass(1)
	r.told(w, "a b") // a's lease has passed, b's time has come
	r.pass(minute)
	r.told(w, "a")
	r.publish(in(time.Second, msg("c", "sooner than all")))
	r.pass(time.Second)
	r.told(w, "c")
}

func dueExpiry(r *rig) {
	r.publish(msg("a", "1"))
	w := r.watch()
	r.told(w, "a")
	d := r.one("a", "1")
	r.pass(minute - 1)
	r.settle(extend(d, minute))
	r.pass(minute - 1)
	r.told(w, "")
	r.pass(1)
	r.told(w, "a")
	r.settle(outcome(r.one("a", "1"), queue.Ack))
	r.pass(time.Hour)
	r.told(w, "")
}

func dueRetry(r *rig) {
	w := r.watch()
	r.publish(msg("a", "1"))
	r.told(w, "a")
	r.settle(retry(r.one("a", "1"), time.Hour, ""))
	r.pass(time.Hour - 1)
	r.told(w, "")
	r.pass(1)
	r.told(w, "a")
	r.settle(retry(r.one("a", "1"), 0, ""))
	r.told(w, "a")
	r.one("a", "1")
}

func dueRevived(r *rig) {
	r.publish(msg("a", "1"))
	d := r.one("a", "1")
	w := r.watch()
	r.settle(bury(d, ""))
	r.told(w, "")
	if err := r.q.Revive(r.Context(), "a", d.Seq); err != nil {
		r.Fatal(err)
	}
	r.told(w, "a")
}

func dueGone(r *rig) {
	r.publish(in(time.Second, msg("a", "1")), msg("b", "2"))
	r.settle(outcome(r.one("b", "2"), queue.Ack))
	if _, err := r.q.Remove(r.Context(), "a", r.list("a", queue.Waiting)[0].Seq); err != nil {
		r.Fatal(err)
	}
	w := r.watch()
	r.pass(time.Hour)
	r.told(w, "")
}

func dueFair(r *rig) {
	for range 500 {
		r.publish(msg("busy", "x"))
	}
	r.publish(msg("quiet", "y"))
	r.publish(msg("busy", "x"))
	names, err := r.q.Due(r.Context())
	if err != nil || len(names) != 2 {
		r.Errorf("Due told of %q, error %v", names, err)
	}
	r.one("quiet", "y")
}

func dueEnds(r *rig) {
	gone := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(r.Context())
	result := make(chan error)
	wait := func(ctx context.Context) {
		_, err := r.q.Due(ctx)
		result <- err
	}
	go wait(ctx)
	r.pass(minute)
	cancel(gone)
	if err := <-result; !errors.Is(err, gone) {
		r.Errorf("Due ended with %v, want the cause", err)
	}
	r.publish(msg("a", "1"))
	w := r.watch()
	r.told(w, "a") // an ended Due has taken nothing with it
	r.close()
	_, err := r.q.Due(r.Context())
	wantKind(r.T, err, fn.Unavailable)
}
