package enginetest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func endCases() []testCase {
	return []testCase{
		{"exit codes are told", endCodes},
		{"signals are told", endSignals},
		{"it is done when the last process is gone", endOrphans},
		{"stop asks first", stopAsks},
		{"stop kills after the grace", stopKills},
		{"stop with no grace kills at once", stopNow},
		{"stop kills children too", stopChildren},
		{"stop again, at once and after the end", stopTwice},
		{"stop gives up with its context", stopContext},
	}
}

func endCodes(t *testing.T, s *suite) {
	e := s.engine(t)
	for _, code := range []int{0, 1, 3, 255} {
		r := s.start(t, e, s.spec("exit", strconv.Itoa(code)))
		if exit := r.wait(t); exit.Code != code || exit.Signal != "" || exit.OOM || exit.Limit != "" {
			t.Errorf("exit %d is told as %+v", code, exit)
		}
	}
}

func endSignals(t *testing.T, s *suite) {
	e := s.engine(t)
	r := s.start(t, e, s.spec("crash"))
	if exit := r.wait(t); exit.Code != -1 || exit.Signal != "segmentation fault" || exit.OOM {
		t.Errorf("a segmentation fault is told as %+v", exit)
	}
	r = s.start(t, e, s.spec("wait"))
	if err := r.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if exit := r.wait(t); exit.Code != -1 || exit.Signal != "killed" || exit.OOM {
		t.Errorf("being killed is told as %+v", exit)
	}
}

func endOrphans(t *testing.T, s *suite) {
	spec := s.spec("orphan")
	r := s.start(t, s.engine(t), spec)
	r.wait(t)
	mustHaveNoProcess(t, r.token)
	if exit := r.Exit(); exit.Code != 0 || exit.Signal != "" {
		t.Errorf("the program ended well, told is %+v", exit)
	}
}

func stopAsks(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.spec("polite"))
	r.stdout.await(t, "ready")
	if err := r.Stop(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, r)
	if exit := r.Exit(); exit.Code != 0 || r.stdout.String() != "ready\ngoodbye\n" {
		t.Errorf("it ended with %+v and said %q", exit, r.stdout)
	}
}

func stopKills(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.spec("stubborn"))
	r.stdout.await(t, "ready")
	const grace = 200 * time.Millisecond
	began := time.Now()
	if err := r.Stop(t.Context(), grace); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, r)
	if took := time.Since(began); took < grace {
		t.Errorf("it had %s, not %s", took, grace)
	}
	if exit := r.Exit(); exit.Signal != "killed" || exit.Code != -1 {
		t.Errorf("it ended with %+v", exit)
	}
}

func stopNow(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.spec("polite"))
	r.stdout.await(t, "ready")
	if err := r.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, r)
	if got := r.stdout.String(); strings.Contains(got, "goodbye") || r.Exit().Signal != "killed" {
		t.Errorf("it ended with %+v and said %q", r.Exit(), got)
	}
}

func stopChildren(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	if got := r.ask(t, "fork 5 "+r.token); got != "5 <nil>" {
		t.Fatal("starting children:", got)
	}
	if err := r.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, r)
	mustHaveNoProcess(t, r.token)
}

func stopTwice(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.spec("stubborn"))
	r.stdout.await(t, "ready")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := r.Stop(t.Context(), time.Duration(i)*10*time.Millisecond); err != nil {
				t.Error(err)
			}
			mustBeDone(t, r)
		})
	}
	wg.Wait()
	if err := r.Stop(t.Context(), limit); err != nil {
		t.Error("after the end:", err)
	}
}

func stopContext(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.spec("stubborn"))
	r.stdout.await(t, "ready")
	gone := errors.New("nobody waits any more")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	err := r.Stop(ctx, time.Hour)
	if !errors.Is(err, gone) && !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := r.Stop(t.Context(), 0); err != nil { // a shorter grace counts
		t.Error(err)
	}
	mustBeDone(t, r)
}

func mustBeDone(t *testing.T, r *running) {
	t.Helper()
	select {
	case <-r.Done():
	default:
		t.Error("stop returned, but it is not done")
	}
}

func freezeCases() []testCase {
	return []testCase{
		{"a frozen instance stands still and keeps its memory", freezeKeeps},
		{"both are idempotent", freezeTwice},
		{"stop thaws first", freezeStop},
		{"children stand still too", freezeChildren},
	}
}

func freezer(t *testing.T, r *running) engine.Freezer {
	t.Helper()
	f, ok := r.Instance.(engine.Freezer)
	if !ok {
		t.Fatalf("%T cannot be frozen", r.Instance)
	}
	return f
}

func freezeKeeps(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	if got := r.ask(t, "count"); got != "1" {
		t.Fatal(got)
	}
	f := freezer(t, r)
	if err := f.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := dial(t, r) // the kernel holds it
	defer c.Close()
	if _, err := c.Write([]byte("count\n")); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	b := make([]byte, 8)
	if n, err := c.Read(b); err == nil {
		t.Fatalf("it answered %q while frozen", b[:n])
	}
	if err := f.Thaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(limit))
	if n, err := c.Read(b); string(b[:n]) != "2" {
		t.Errorf("after thawing it says %q, %v", b[:n], err)
	}
}

func freezeTwice(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	f := freezer(t, r)
	for range 2 {
		for _, do := range []func(context.Context) error{f.Thaw, f.Freeze, f.Freeze, f.Thaw, f.Thaw} {
			if err := do(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.ask(t, "ping"); got != "pong" {
			t.Fatal(got)
		}
	}
}

func freezeStop(t *testing.T, s *suite) {
	e := s.engine(t)
	polite := s.start(t, e, s.spec("polite"))
	polite.stdout.await(t, "ready")
	stubborn := s.start(t, e, s.spec("stubborn"))
	stubborn.stdout.await(t, "ready")
	for _, r := range []*running{polite, stubborn} {
		if err := freezer(t, r).Freeze(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := polite.Stop(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(polite.stdout.String(), "goodbye") {
		t.Errorf("it said only %q", polite.stdout)
	}
	if err := stubborn.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	mustBeDone(t, stubborn)
}

func freezeChildren(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	if got := r.ask(t, "fork 3 "+r.token); got != "3 <nil>" {
		t.Fatal(got)
	}
	f := freezer(t, r)
	if err := f.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := processTimes(t, r.token)
	if len(before) < 4 {
		t.Fatalf("found %d processes", len(before))
	}
	if err := f.Thaw(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	mustHaveNoProcess(t, r.token)
}
