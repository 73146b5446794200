package pool

import (
	"sync/atomic"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// goal is a policy with a goal, and room for it.
func goal(m fn.Metric, each float64, change func(*fn.Scale)) fn.Policy {
	return policy(func(p *fn.Policy) {
		p.Scale.Metric, p.Scale.Goal = m, each
		p.Scale.Max, p.Scale.Concurrency, p.Scale.Freeze = 20, 100, -1
		if change != nil {
			change(&p.Scale)
		}
	})
}

// calls makes rate calls a second for a while.
func calls(t *testing.T, p *Pool, rate int, d time.Duration) {
	t.Helper()
	for range int(d.Seconds() * float64(rate)) {
		must(t, p).finish()
		spend(time.Second / time.Duration(rate))
	}
}

func wantAlive(t *testing.T, e *memEngine, n int, when string) {
	t.Helper()
	if got := e.alive(); got != n {
		t.Errorf("%s: %d instances, want %d", when, got, n)
	}
}

func TestInstancesFollowTheRateOfCalls(t *testing.T) {
	e := &memEngine{boot: 10 * time.Millisecond}
	pol := goal(fn.MetricRPS, 10, func(s *fn.Scale) { s.Idle = time.Minute })
	inBubble(t, e, pol, func(t *testing.T, p *Pool) {
		calls(t, p, 48, 10*time.Second) // off the boundary: one call more or less in the window must not matter
		wantAlive(t, e, 5, "48 a second, 10 for each")
		calls(t, p, 96, 40*time.Second)
		wantAlive(t, e, 10, "96 a second")
		calls(t, p, 8, 40*time.Second)
		wantAlive(t, e, 1, "8 a second")
		pass(50 * time.Second)
		wantAlive(t, e, 1, "before the idle time")
		pass(20 * time.Second)
		wantAlive(t, e, 0, "after the idle time")
	})
	if n := e.asked.Load(); n != 0 {
		t.Errorf("meters were read %d times for a rate", n)
	}
}

func TestInstancesFollowTheMostCallsInHand(t *testing.T) {
	e := &memEngine{boot: 10 * time.Millisecond}
	inBubble(t, e, goal(fn.MetricConcurrency, 4, nil), func(t *testing.T, p *Pool) {
		var held []*Slot
		for range 20 {
			held = append(held, must(t, p))
		}
		pass(5 * time.Second)
		wantAlive(t, e, 5, "20 in hand, 4 for each")
		for _, s := range held {
			s.finish()
		}
		pass(40 * time.Second)
		wantAlive(t, e, 5, "40 s later")
		pass(10 * time.Second)
		wantAlive(t, e, 1, "50 s later")
	})
}

func TestInstancesFollowTheProcessorTime(t *testing.T) {
	e := &memEngine{boot: 10 * time.Millisecond}
	inBubble(t, e, goal(fn.MetricCPU, 500, nil), func(t *testing.T, p *Pool) {
		e.burn.Store(1700)
		began := time.Now()
		calls(t, p, 1, 40*time.Second)
		wantAlive(t, e, 4, "1.7 cores, half a one for each")
		if n, most := e.asked.Load(), int64(time.Since(began)/scaleEvery+1)*4; n == 0 || n > most {
			t.Errorf("meters were read %d times, at most %d times are allowed", n, most)
		}
		e.burn.Store(300)
		calls(t, p, 1, 40*time.Second)
		wantAlive(t, e, 1, "0.3 cores")
	})
}

func TestInstancesFollowWhatWaitsInTheQueue(t *testing.T) {
	e := &memEngine{boot: 10 * time.Millisecond}
	var waiting atomic.Int64
	cfg := Config{
		Engine: e, Source: oneSource{Launch{Policy: goal(fn.MetricQueue, 10, nil), Program: fn.Program{Listen: fn.ListenSocket}}},
		Pending: func(ref fn.Ref) int {
			if ref != rev1.Ref {
				return 1e6
			}
			return int(waiting.Load())
		},
	}
	inBubbleWith(t, e, cfg, func(t *testing.T, p *Pool) {
		waiting.Store(65)
		pass(10 * time.Second)
		wantAlive(t, e, 0, "before the first call")
		calls(t, p, 5, 5*time.Second)
		wantAlive(t, e, 7, "65 waiting, 10 for each")
		waiting.Store(12)
		calls(t, p, 5, 5*time.Second)
		wantAlive(t, e, 2, "12 waiting")
	})
}

func TestFirstCallActivates(t *testing.T) {
	e := &memEngine{boot: 10 * time.Millisecond}
	pol := policy(func(p *fn.Policy) { p.Scale.Activation, p.Scale.Idle = 3, time.Minute })
	inBubble(t, e, pol, func(t *testing.T, p *Pool) {
		must(t, p).finish()
		pass(time.Millisecond)
		wantAlive(t, e, 3, "right after the first call")
		pass(50 * time.Second)
		wantAlive(t, e, 3, "before the idle time")
		pass(20 * time.Second)
		wantAlive(t, e, 0, "after the idle time")
		must(t, p).finish()
		pass(50 * time.Millisecond)
		wantAlive(t, e, 3, "after the next call")
	})
	if n := e.starts.Load(); n != 6 {
		t.Errorf("%d starts, want 6", n)
	}
}

func TestGoingDownWaitsForItsWindow(t *testing.T) {
	e := &memEngine{boot: 10 * time.Millisecond}
	pol := goal(fn.MetricRPS, 10, func(s *fn.Scale) { s.Window = 2 * time.Minute })
	inBubble(t, e, pol, func(t *testing.T, p *Pool) {
		calls(t, p, 48, 10*time.Second)
		wantAlive(t, e, 5, "50 a second")
		calls(t, p, 5, 110*time.Second)
		wantAlive(t, e, 5, "within the window")
		calls(t, p, 5, 60*time.Second)
		wantAlive(t, e, 1, "after the window")
	})
}

func TestMinAndMaxAlikeIsStatic(t *testing.T) {
	e := &memEngine{boot: 10 * time.Millisecond}
	pol := goal(fn.MetricRPS, 1, func(s *fn.Scale) { s.Min, s.Max, s.Idle = 2, 2, time.Second })
	inBubble(t, e, pol, func(t *testing.T, p *Pool) {
		if err := p.Pin(t.Context(), rev1, 2); err != nil {
			t.Fatal(err)
		}
		calls(t, p, 48, 10*time.Second)
		wantAlive(t, e, 2, "under load")
		pass(time.Minute)
		wantAlive(t, e, 2, "without")
	})
	if n := e.starts.Load(); n != 2 {
		t.Errorf("%d starts, want 2", n)
	}
}

func TestForgottenWhileMeasuringStartsNothing(t *testing.T) {
	e := &memEngine{}
	var asked, answer chan struct{}
	cfg := Config{
		Engine: e, Source: oneSource{Launch{Policy: goal(fn.MetricQueue, 1, nil), Program: fn.Program{Listen: fn.ListenSocket}}},
		Pending: func(fn.Ref) int {
			asked <- struct{}{}
			<-answer
			return 10
		},
	}
	inBubbleWith(t, e, cfg, func(t *testing.T, p *Pool) {
		asked, answer = make(chan struct{}, 1), make(chan struct{})
		must(t, p).finish()
		<-asked
		pass(10 * time.Second) // nobody else asks meanwhile
		p.Forget(rev1)
		close(answer)
		pass(time.Second)
		wantAlive(t, e, 0, "after it was forgotten")
	})
	if n := e.starts.Load(); n != 1 {
		t.Errorf("%d starts, want 1", n)
	}
}
