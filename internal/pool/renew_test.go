package pool

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// renewable is a pool whose instances are given a file that says how often it
// was asked for.
type renewable struct {
	*Pool
	e     *memEngine
	asked atomic.Int64
	fail  atomic.Bool // Files fails from now on
}

func renewing(t *testing.T, e *memEngine, change func(*fn.Policy), f func(t *testing.T, r *renewable)) {
	t.Helper()
	r := &renewable{e: e}
	launch := Launch{Policy: policy(change), Program: fn.Program{Listen: fn.ListenSocket}}
	launch.Files = func(context.Context) ([]engine.File, error) {
		if r.fail.Load() {
			return nil, &fn.Failure{Kind: fn.Unavailable, Phase: fn.PhaseStart, Cause: "no-secret", Message: "it lacks secret x"}
		}
		return []engine.File{{Path: "/var/x/y", Data: []byte{byte(r.asked.Add(1))}}}, nil
	}
	inBubbleWith(t, e, Config{Engine: e, Source: oneSource{launch}, StartsAtOnce: 100}, func(t *testing.T, p *Pool) {
		r.Pool = p
		f(t, r)
	})
}

// files are what the living instances were given.
func (r *renewable) files() []int {
	r.e.mu.Lock()
	defer r.e.mu.Unlock()
	var out []int
	for _, i := range r.e.live {
		out = append(out, int(i.files[0].Data[0]))
	}
	slices.Sort(out)
	return out
}

func TestRenewReplacesWithoutAGap(t *testing.T) {
	e := &memEngine{boot: 40 * time.Millisecond}
	renewing(t, e, nil, func(t *testing.T, r *renewable) {
		must(t, r.Pool).finish()
		inHand := must(t, r.Pool)
		r.Renew(rev1)
		pass(20 * time.Millisecond)
		s := must(t, r.Pool)
		if s.Kind != fn.Warm {
			t.Error("a call waits while the new instance starts")
		}
		s.finish()
		pass(40 * time.Millisecond)
		if got := r.files(); !slices.Equal(got, []int{1, 2}) {
			t.Errorf("with a call in hand there are %v, want the old and the new one", got)
		}
		s = must(t, r.Pool)
		if s.Kind != fn.Warm || s.Instance == inHand.Instance {
			t.Errorf("a new call went to %s (%v), the old one is %s", s.Instance, s.Kind, inHand.Instance)
		}
		s.finish()
		inHand.finish()
		pass(time.Millisecond)
		if got := r.files(); !slices.Equal(got, []int{2}) {
			t.Errorf("left are %v, want the new one", got)
		}
	})
}

func TestRenewReplacesInstancesThatBeganBefore(t *testing.T) {
	e := &memEngine{boot: 40 * time.Millisecond}
	renewing(t, e, func(p *fn.Policy) { p.Scale.Freeze = -1 }, func(t *testing.T, r *renewable) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			s, err := r.Admit(context.Background(), &rev1, fn.CallID{})
			if err != nil {
				t.Error(err)
				return
			}
			s.finish()
		}()
		pass(10 * time.Millisecond)
		r.Renew(rev1)
		r.Renew(rev1)
		<-done
		pass(200 * time.Millisecond)
		if got := r.files(); !slices.Equal(got, []int{2}) {
			t.Errorf("left are %v, want one that began after", got)
		}
	})
}

func TestRenewEndsWhatSleepsAndKeepsTheFloor(t *testing.T) {
	e := &memEngine{boot: time.Millisecond}
	renewing(t, e, func(p *fn.Policy) { p.Scale.Freeze = 10 * time.Millisecond }, func(t *testing.T, r *renewable) {
		must(t, r.Pool).finish()
		pass(time.Second)
		r.Renew(rev1)
		pass(time.Second)
		if got := r.files(); len(got) != 0 {
			t.Errorf("still there: %v", got)
		}
		must(t, r.Pool).finish()
		if got := r.files(); !slices.Equal(got, []int{2}) {
			t.Errorf("started anew: %v", got)
		}
		if err := r.Pin(t.Context(), rev1, 1); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		r.Renew(rev1)
		pass(50 * time.Millisecond)
		if got := r.files(); !slices.Equal(got, []int{3}) {
			t.Errorf("with a floor of one: %v", got)
		}
	})
}

func TestRenewThatCannotStartLeavesTheOldOnes(t *testing.T) {
	e := &memEngine{boot: time.Millisecond}
	renewing(t, e, func(p *fn.Policy) { p.Scale.Freeze = -1; p.Scale.Concurrency = 1; p.Scale.Max = 3 }, func(t *testing.T, r *renewable) {
		var all []*Slot
		for range 3 {
			all = append(all, must(t, r.Pool))
		}
		for _, s := range all {
			s.finish()
		}
		r.fail.Store(true)
		r.Renew(rev1)
		pass(100 * time.Millisecond)
		if got := r.files(); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("left are %v", got)
		}
		if f := r.Stats(rev1.Ref)[0].Failure; f == nil || f.Cause != "no-secret" {
			t.Errorf("failure %+v", f)
		}
		if s := must(t, r.Pool); s.Kind != fn.Warm {
			t.Error("a call had to wait")
		} else {
			s.finish()
		}
		r.fail.Store(false)
		r.Renew(rev1)
		pass(100 * time.Millisecond)
		if got := r.files(); !slices.Equal(got, []int{4, 5, 6}) {
			t.Errorf("then there are %v", got)
		}
	})
}

func TestRenewUnderLoadFailsNoCall(t *testing.T) {
	e := &memEngine{boot: 5 * time.Millisecond}
	renewing(t, e, func(p *fn.Policy) { p.Scale.Concurrency = 2; p.Scale.Max = 4 }, func(t *testing.T, r *renewable) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int)
		for range 6 {
			go func() {
				n := 0
				defer func() { ended <- n }()
				for ; ctx.Err() == nil; n++ {
					s, err := r.Admit(context.WithoutCancel(ctx), &rev1, fn.CallID{})
					if err != nil {
						t.Error(err)
						return
					}
					spend(3 * time.Millisecond)
					s.finish()
				}
			}()
		}
		for range 50 {
			pass(7 * time.Millisecond)
			r.Renew(rev1)
			if n := e.alive(); n > 12 {
				t.Errorf("%d instances at once", n)
			}
		}
		pass(100 * time.Millisecond)
		cancel()
		calls := 0
		for range 6 {
			calls += <-ended
		}
		if calls < 500 {
			t.Errorf("only %d calls were made", calls)
		}
		pass(100 * time.Millisecond)
		last := int(r.asked.Load())
		for _, got := range r.files() {
			if byte(last)-byte(got) > 8 {
				t.Errorf("an instance with file %d is left, the last is %d", got, byte(last))
			}
		}
	})
}

func TestWhatAnInstanceLacksFailsTheCallThatWaits(t *testing.T) {
	e := &memEngine{}
	renewing(t, e, nil, func(t *testing.T, r *renewable) {
		r.fail.Store(true)
		_, err := r.Admit(t.Context(), &rev1, fn.CallID{})
		f, ok := err.(*fn.Failure)
		if !ok || f.Cause != "no-secret" || f.Message != "it lacks secret x" || e.starts.Load() != 0 {
			t.Errorf("%v, %d starts", err, e.starts.Load())
		}
	})
}
