package pool

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func TestFirstCallWaitsForOneColdStart(t *testing.T) {
	e := &memEngine{boot: 40 * time.Millisecond}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		s := must(t, p)
		if s.Kind != fn.Cold || s.Timing.Init != 40*time.Millisecond {
			t.Errorf("kind %v, init %v; want cold, 40ms", s.Kind, s.Timing.Init)
		}
		s.finish()
		if s := p.Try(&rev1, fn.CallID{}); s == nil || s.Kind != fn.Warm || !s.Reused {
			t.Errorf("Try after a finished call = %+v, want a warm slot with a used connection", s)
		} else {
			s.finish()
		}
		if n := e.starts.Load(); n != 1 {
			t.Errorf("%d starts, want 1", n)
		}
	})
}

func TestBurstOfFirstCallsStartsWhatItNeedsAtOnce(t *testing.T) {
	e := &memEngine{boot: 40 * time.Millisecond}
	inBubble(t, e, policy(func(p *fn.Policy) { p.Scale.Concurrency, p.Scale.Max = 32, 10 }), func(t *testing.T, p *Pool) {
		began := time.Now()
		var wg sync.WaitGroup
		var failed atomic.Int64
		for range 200 {
			wg.Go(func() {
				s, err := p.Admit(t.Context(), &rev1, fn.CallID{})
				if err != nil {
					failed.Add(1)
					return
				}
				spend(time.Millisecond)
				s.finish()
			})
		}
		wg.Wait()
		if failed.Load() != 0 {
			t.Errorf("%d of 200 calls failed", failed.Load())
		}
		if n := e.starts.Load(); n != 7 {
			t.Errorf("%d starts, want 7 = ⌈200/32⌉", n)
		}
		if took := time.Since(began); took > 50*time.Millisecond {
			t.Errorf("took %v: the instances were not started at once", took)
		}
	})
}

func TestNeverMoreThanMaxInstances(t *testing.T) {
	e := &memEngine{boot: time.Millisecond}
	inBubble(t, e, policy(func(p *fn.Policy) { p.Scale.Concurrency, p.Scale.Max = 1, 3 }), func(t *testing.T, p *Pool) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				s := must(t, p)
				spend(10 * time.Millisecond)
				if n := e.alive(); n > 3 {
					t.Errorf("%d instances alive, max is 3", n)
				}
				s.finish()
			})
		}
		wg.Wait()
		if n := e.starts.Load(); n != 3 {
			t.Errorf("%d starts, want 3", n)
		}
	})
}

func TestFullQueueRefusesWithWhatToDo(t *testing.T) {
	e := &memEngine{boot: time.Second}
	inBubble(t, e, policy(func(p *fn.Policy) { p.Scale.Queue = 2 }), func(t *testing.T, p *Pool) {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { must(t, p).finish() })
		}
		synctest.Wait()
		_, err := p.Admit(t.Context(), &rev1, fn.CallID{})
		f, ok := errors.AsType[*fn.Failure](err)
		if !ok || f.Kind != fn.Exhausted || f.Cause != "queue-full" || f.Hint == "" {
			t.Errorf("third call: %+v, want queue-full with a hint", err)
		}
		wg.Wait()
	})
}

func TestCallerThatLeavesIsTakenOutOfTheQueue(t *testing.T) {
	e := &memEngine{boot: time.Second}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { spend(10 * time.Millisecond); cancel(fn.Canceled) }()
		_, err := p.Admit(ctx, &rev1, fn.CallID{})
		if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Cause != "client-left" {
			t.Errorf("Admit = %v, want client-left", err)
		}
		pass(2 * time.Second)
		if st := p.Stats(rev1.Ref); len(st) != 1 || st[0].Held != 0 || st[0].InFlight != 0 {
			t.Errorf("after the caller left: %+v", st)
		}
	})
}

func TestDeadlineWhileHeldSaysWhatWasGoingOn(t *testing.T) {
	e := &memEngine{boot: 5 * time.Second}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.Admit(ctx, &rev1, fn.CallID{})
		f, ok := errors.AsType[*fn.Failure](err)
		if !ok || f.Kind != fn.Timeout || f.Cause != "start-slower-than-deadline" || f.Phase != fn.PhaseStart {
			t.Errorf("Admit = %+v, want a start slower than the deadline", err)
		}
	})
}

func TestIdleInstanceIsFrozenThawedAndInTheEndRemoved(t *testing.T) {
	e := &memEngine{boot: 40 * time.Millisecond}
	pol := policy(func(p *fn.Policy) { p.Scale.Freeze, p.Scale.Idle = time.Second, time.Minute })
	inBubble(t, e, pol, func(t *testing.T, p *Pool) {
		must(t, p).finish()
		pass(3 * time.Second)
		if st := p.Stats(rev1.Ref); len(st) != 1 || st[0].Instances[0].State != "frozen" {
			t.Fatalf("after 3 s idle: %+v, want frozen", st)
		}
		s := must(t, p)
		if s.Kind != fn.Thaw || e.starts.Load() != 1 {
			t.Errorf("call to a frozen instance: kind %v, %d starts; want thaw, 1", s.Kind, e.starts.Load())
		}
		if s.inst.box.(*memInstance).frozen.Load() {
			t.Error("the slot's instance is still frozen")
		}
		s.finish()
		pass(90 * time.Second)
		if n := e.alive(); n != 0 {
			t.Errorf("%d instances alive after the idle time", n)
		}
		if st := p.Stats(rev1.Ref); len(st) != 0 {
			t.Errorf("a function at zero still costs a group: %+v", st)
		}
		s = must(t, p)
		if s.Kind != fn.Cold || e.starts.Load() != 2 {
			t.Errorf("call after zero: kind %v, %d starts; want cold, 2", s.Kind, e.starts.Load())
		}
		s.finish()
	})
}

func TestDrainFinishesTheCallsInHand(t *testing.T) {
	e := &memEngine{}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		s := must(t, p)
		p.Retire(rev1)
		pass(10 * time.Second)
		if n := e.alive(); n != 1 {
			t.Fatalf("%d instances alive while a call is in hand, want 1", n)
		}
		s.finish()
		pass(time.Second)
		if n := e.alive(); n != 0 {
			t.Errorf("%d instances alive after the last call, want 0", n)
		}
	})
}

func TestProgramThatNeverAnswersFailsWithItsLastWords(t *testing.T) {
	for _, port := range []bool{false, true} {
		e := &memEngine{mute: true, port: port}
		inBubble(t, e, policy(func(p *fn.Policy) { p.Limits.Start = time.Second }), func(t *testing.T, p *Pool) {
			_, err := p.Admit(t.Context(), &rev1, fn.CallID{})
			f, ok := errors.AsType[*fn.Failure](err)
			if !ok || f.Cause != "start-deadline" || f.Phase != fn.PhaseInit || len(f.Output) == 0 || f.Kind != fn.Unavailable {
				t.Errorf("port %v: %+v, want start-deadline with output", port, f)
			}
			if n := e.alive(); n != 0 {
				t.Errorf("port %v: %d instances left", port, n)
			}
		})
	}
}

func TestCrashLoopBacksOffAndSaysWhy(t *testing.T) {
	e := &memEngine{boot: time.Second, dieAt: func(int64) time.Duration { return 10 * time.Millisecond }}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		var refused int
		for range 200 { // a call every 100 ms, or as soon as the one before has failed
			_, err := p.Admit(t.Context(), &rev1, fn.CallID{})
			f, ok := errors.AsType[*fn.Failure](err)
			if !ok {
				t.Fatalf("a call to a function that always exits: %v", err)
			}
			if f.Cause == "crash-loop" {
				refused++
				if f.RetryAfter <= 0 || f.Exit != "exit status 3" || len(f.Output) == 0 {
					t.Fatalf("crash-loop without its reason: %+v", f)
				}
			}
			pass(100 * time.Millisecond)
		}
		if n := e.starts.Load(); n > 9 {
			t.Errorf("%d starts in 20 s of a crash loop, want at most 9", n)
		}
		if refused < 150 {
			t.Errorf("%d of 200 calls were refused by the back-off", refused)
		}
	})
}

func TestCrashLoopEndsWithTheFirstSuccess(t *testing.T) {
	e := &memEngine{dieAt: func(n int64) time.Duration {
		if n <= 2 {
			return time.Nanosecond
		}
		return 0
	}, boot: time.Millisecond}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		for range 2 {
			if _, err := p.Admit(t.Context(), &rev1, fn.CallID{}); err == nil {
				t.Fatal("a call to an instance that exits at once succeeded")
			}
			pass(time.Second)
		}
		must(t, p).finish()
		if st := p.Stats(rev1.Ref); st[0].Failure != nil {
			t.Errorf("a failure is still reported after a success: %v", st[0].Failure)
		}
	})
}

func TestWarmAnswersOnlyWhenInstancesDo(t *testing.T) {
	e := &memEngine{boot: 40 * time.Millisecond}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		began := time.Now()
		if err := p.Warm(t.Context(), rev1, 3); err != nil {
			t.Fatalf("Warm: %v", err)
		}
		if took := time.Since(began); took != 40*time.Millisecond || e.starts.Load() != 3 {
			t.Errorf("took %v, %d starts; want 40ms, 3", took, e.starts.Load())
		}
	})
	e = &memEngine{boot: time.Second, dieAt: func(int64) time.Duration { return time.Millisecond }}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		err := p.Warm(t.Context(), rev1, 1)
		if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Exit != "exit status 3" {
			t.Errorf("Warm of a program that exits = %v", err)
		}
	})
}

func TestPinKeepsInstancesAndReplacesTheDead(t *testing.T) {
	e := &memEngine{dieAt: func(n int64) time.Duration {
		if n == 1 {
			return 5 * time.Second
		}
		return 0
	}}
	pol := policy(func(p *fn.Policy) { p.Scale.Idle = time.Second })
	inBubble(t, e, pol, func(t *testing.T, p *Pool) {
		if err := p.Pin(t.Context(), rev1, 2); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Second)
		if n := e.alive(); n != 2 {
			t.Errorf("%d alive, want the 2 pinned", n)
		}
		if n := e.starts.Load(); n != 3 {
			t.Errorf("%d starts, want 3: one died", n)
		}
		if err := p.Pin(t.Context(), rev1, 0); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Second)
		if n := e.alive(); n != 0 {
			t.Errorf("%d alive after the pin went, want 0", n)
		}
	})
}

func TestShutdownFailsHeldCallsAndStopsEverything(t *testing.T) {
	e := &memEngine{boot: time.Minute}
	var err error
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		go func() { _, err = p.Admit(t.Context(), &rev1, fn.CallID{}) }()
		synctest.Wait()
	})
	if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Cause != "shutting-down" {
		t.Errorf("held call at shutdown: %v", err)
	}
}

func TestCallsAreTaggedOnlyWhenAlone(t *testing.T) {
	e := &memEngine{}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		a, b := fn.MakeCallID(1, 1, 1), fn.MakeCallID(2, 2, 2)
		s, err := p.Admit(t.Context(), &rev1, a)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := s.inst.current(); !ok || id != a {
			t.Errorf("current = %v %v, want the only call", id, ok)
		}
		s2, err := p.Admit(t.Context(), &rev1, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.inst.current(); ok {
			t.Error("two calls in hand, yet one is named")
		}
		s.finish()
		s2.finish()
		if _, ok := s.inst.current(); ok {
			t.Error("no call in hand, yet one is named")
		}
	})
}

func TestLimitZeroStaysAtZeroUntilTheNextCall(t *testing.T) {
	e := &memEngine{}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		for range 20 { // enough traffic for the decider to want an instance
			must(t, p).finish()
			spend(300 * time.Millisecond)
		}
		p.Limit(rev1, 0)
		starts := e.starts.Load()
		for range 100 {
			pass(100 * time.Millisecond)
			if n := e.alive(); n != 0 {
				t.Fatalf("%d instances alive after they were limited to 0", n)
			}
		}
		if n := e.starts.Load(); n != starts {
			t.Errorf("%d starts although nobody called", n-starts)
		}
		must(t, p).finish()
	})
}

func TestInstanceThatEndsAfterItsAnswerIsNoFailure(t *testing.T) {
	e := &memEngine{dieAt: func(int64) time.Duration { return 5 * time.Millisecond }}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		for range 10 {
			s := must(t, p)
			pass(10 * time.Millisecond) // the instance ends; only then its answer is seen to be complete
			s.Answered = true
			s.Release(false)
		}
		if n := e.starts.Load(); n != 10 {
			t.Errorf("%d starts for 10 calls", n)
		}
		if st := p.Stats(rev1.Ref); len(st) == 1 && st[0].Failure != nil {
			t.Errorf("answered calls left a failure: %v", st[0].Failure)
		}
	})
}
