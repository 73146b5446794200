package pool

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

var rev2 = fn.RevisionRef{Ref: fn.Ref{Namespace: "default", Name: "dumb"}, Number: 1}

func TestProgramThatNeverAnswersDoesNotHoldUpTheStartsOfOthers(t *testing.T) {
	e := &memEngine{dumb: "dumb", boot: 40 * time.Millisecond}
	cfg := Config{Engine: e, Source: oneSource{Launch{Policy: policy(nil), Program: fn.Program{Listen: fn.ListenSocket}}}, StartsAtOnce: 1}
	inBubbleWith(t, e, cfg, func(t *testing.T, p *Pool) {
		ended := make(chan error)
		go func() { _, err := p.Admit(t.Context(), &rev2, fn.CallID{}); ended <- err }()
		synctest.Wait() // its start has the only place
		began := time.Now()
		must(t, p).finish()
		if took := time.Since(began); took > time.Second {
			t.Errorf("a neighbour's first call took %v", took)
		}
		if err := <-ended; fn.KindOf(err) != fn.Unavailable {
			t.Errorf("the call of the function that never answers: %v", err)
		}
	})
}

// fallEngine makes instances that answer and are gone before the pool can put
// them to work.
type fallEngine struct {
	*memEngine
	exits chan struct{}
}

func (e fallEngine) Start(ctx context.Context, spec engine.Spec) (engine.Instance, error) {
	i, err := e.memEngine.Start(ctx, spec)
	return fallen{i.(*memInstance), e.exits}, err
}

func (e fallEngine) InstanceStarted(fn.RevisionRef, time.Duration, time.Duration, error) {}
func (e fallEngine) InstanceExited(fn.RevisionRef, engine.Exit, bool)                    { e.exits <- struct{}{} }

type fallen struct {
	*memInstance
	exits <-chan struct{}
}

func (i fallen) Dial(ctx context.Context) (net.Conn, error) {
	c, err := i.memInstance.Dial(ctx)
	if err == nil {
		err = i.Stop(ctx, 0)
		<-i.exits
	}
	return c, err
}

func TestInstanceThatFallsOverAsItAnswersIsAFailure(t *testing.T) {
	e := &memEngine{port: true}
	cfg := Config{Source: oneSource{Launch{Policy: policy(nil), Program: fn.Program{Listen: fn.ListenPort}}}}
	bubble := func(f func(t *testing.T, p *Pool)) {
		synctestEngine := fallEngine{memEngine: e}
		cfg.Engine, cfg.Observer = &synctestEngine, &synctestEngine
		inBubbleWith(t, e, cfg, func(t *testing.T, p *Pool) {
			synctestEngine.exits = make(chan struct{})
			f(t, p)
		})
	}
	bubble(func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := p.Admit(ctx, &rev1, fn.CallID{})
		if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Cause != "exited" || f.Exit == "" {
			t.Errorf("Admit = %v, want to be told of the exit", err)
		}
		if n := e.starts.Load(); n != 1 {
			t.Errorf("%d starts, want 1: it is a failure to back off from", n)
		}
	})
	bubble(func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := p.Warm(ctx, rev1, 1)
		if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Cause != "exited" {
			t.Errorf("Warm = %v, want to be told of the exit", err)
		}
	})
}

func TestWarmBringsBackWhatWasRetired(t *testing.T) {
	e := &memEngine{boot: time.Second}
	cfg := Config{Engine: e, Source: oneSource{Launch{Policy: policy(nil), Program: fn.Program{Listen: fn.ListenSocket}}}, StartsAtOnce: 1}
	inBubbleWith(t, e, cfg, func(t *testing.T, p *Pool) {
		s := must(t, p)
		p.Retire(rev1)
		began := time.Now()
		if err := p.Warm(t.Context(), rev1, 2); err != nil {
			t.Fatalf("Warm: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Warm took %v", took)
		}
		if err := p.Pin(t.Context(), rev1, 2); err != nil {
			t.Fatal(err)
		}
		if n := e.alive(); n != 3 {
			t.Errorf("%d instances alive, want 3: one drains, two are warm", n)
		}
		s.finish()
		pass(time.Second)
		if n := e.alive(); n != 2 {
			t.Errorf("%d instances alive, want the 2 that were asked for", n)
		}
	})
}

func TestWarmOfACallerThatLeftSaysSo(t *testing.T) {
	e := &memEngine{boot: time.Minute}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithCancelCause(t.Context())
		left := errors.New("had enough")
		go func() { spend(time.Second); cancel(left) }()
		if err := p.Warm(ctx, rev1, 1); !errors.Is(err, left) || fn.KindOf(err) != fn.Canceled {
			t.Errorf("Warm = %v, want canceled, because of %v", err, left)
		}
	})
}

func TestRevisionThatIsNotPinnedGoesToZeroWhateverItsPolicySays(t *testing.T) {
	e := &memEngine{}
	pol := policy(func(p *fn.Policy) { p.Scale.Min, p.Scale.Idle = 1, time.Second })
	inBubble(t, e, pol, func(t *testing.T, p *Pool) {
		must(t, p).finish() // a late call to a revision that has been replaced
		pass(time.Minute)
		if n := e.alive(); n != 0 {
			t.Errorf("%d instances alive of a revision nobody wants", n)
		}
	})
}

// slowSource answers when it is let to.
type slowSource struct {
	answer chan Launch
	calls  atomic.Int64
}

func (s *slowSource) Launch(context.Context, fn.RevisionRef) (Launch, error) {
	s.calls.Add(1)
	l := <-s.answer
	return l, nil
}

func TestForgetHoldsForStartsThatAskedBefore(t *testing.T) {
	e := &memEngine{}
	src := &slowSource{}
	inBubbleWith(t, e, Config{Engine: e, Source: src}, func(t *testing.T, p *Pool) {
		src.answer = make(chan Launch)
		launch := func(root string) Launch {
			return Launch{Root: root, Policy: policy(nil), Program: fn.Program{Listen: fn.ListenSocket}}
		}
		admitted := make(chan *Slot)
		go func() { admitted <- must(t, p) }()
		synctest.Wait() // it asks what the revision is
		p.Forget(rev1)  // … which now is another one
		src.answer <- launch("old")
		src.answer <- launch("new")
		s := <-admitted
		if got := s.inst.g.launch.Root; got != "new" {
			t.Errorf("the call runs %s", got)
		}
		s.finish()
	})
}

func TestForgetHandsHeldCallsToWhatTheRevisionIsNow(t *testing.T) {
	e := &memEngine{boot: time.Second}
	inBubble(t, e, policy(func(p *fn.Policy) { p.Scale.Concurrency, p.Scale.Max = 1, 1 }), func(t *testing.T, p *Pool) {
		first := must(t, p)
		held := make(chan *Slot)
		go func() { held <- must(t, p) }()
		synctest.Wait()
		p.Forget(rev1)
		second := <-held // although first has the only instance there may be
		if second.inst.g == first.inst.g {
			t.Error("the held call went to what was forgotten")
		}
		pass(10 * time.Second)
		if n := e.alive(); n != 2 {
			t.Errorf("%d alive, want 2: the call in hand is finished", n)
		}
		first.finish()
		pass(time.Second)
		if n := e.alive(); n != 1 {
			t.Errorf("%d alive after the forgotten one's last call, want 1", n)
		}
		second.finish()
	})
}

func TestForgetGivesUpStartsUnderWay(t *testing.T) {
	e := &memEngine{mute: true}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Warm(ctx, rev1, 2); err == nil || e.alive() != 2 {
			t.Fatalf("Warm = %v with %d alive", err, e.alive())
		}
		p.Forget(rev1)
		pass(time.Second)
		if n := e.alive(); n != 0 {
			t.Errorf("%d instances still start of what was forgotten", n)
		}
	})
}

func TestLimitHoldsForInstancesThatStart(t *testing.T) {
	e := &memEngine{boot: time.Second}
	inBubble(t, e, policy(nil), func(t *testing.T, p *Pool) {
		if err := p.Pin(t.Context(), rev1, 3); err != nil {
			t.Fatal(err)
		}
		pass(500 * time.Millisecond)
		for _, n := range []int{1, 0} {
			if err := p.Pin(t.Context(), rev1, n); err != nil {
				t.Fatal(err)
			}
			p.Limit(rev1, n)
			pass(time.Second)
			if alive := e.alive(); alive != n {
				t.Errorf("%d instances alive a second after they were limited to %d", alive, n)
			}
		}
		if err := p.Pin(t.Context(), rev1, 2); err != nil {
			t.Fatal(err)
		}
		if err := p.Pin(t.Context(), rev1, 0); err != nil {
			t.Fatal(err)
		}
		p.Limit(rev1, 0)
		must(t, p).finish() // a call has use for what starts
		if n := e.starts.Load(); n != 5 {
			t.Errorf("%d starts, want 5", n)
		}
	})
}
