package scale

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// history is a random life of a function.
type history struct {
	p       Params
	samples []Sample
	gaps    []time.Duration // before each sample
}

func randomHistory(r *rand.Rand) history {
	h := history{p: Params{
		Min: r.IntN(4), Max: r.IntN(40), Concurrency: 1 + r.IntN(40), Target: 1 + r.IntN(100),
		RPS: r.IntN(3) * 50, Idle: time.Duration(r.IntN(300)) * time.Second,
	}}
	if r.IntN(2) == 0 {
		h.p.Metric = []fn.Metric{fn.MetricConcurrency, fn.MetricRPS, fn.MetricCPU, fn.MetricQueue}[r.IntN(4)]
		h.p.Goal = math.Pow(10, r.Float64()*4-1)
	}
	if r.IntN(2) == 0 {
		h.p.Activation = r.IntN(8)
	}
	if r.IntN(2) == 0 {
		h.p.Window = time.Duration(r.IntN(300)) * time.Second
	}
	level := 0.0
	for range 20 + r.IntN(100) {
		switch r.IntN(6) {
		case 0:
			level = 0
		case 1:
			level = r.Float64() * math.Pow(10, r.Float64()*4)
		}
		gap := time.Duration(r.Int64N(int64(4 * time.Second)))
		if r.IntN(15) == 0 {
			gap = time.Duration(r.Int64N(int64(3 * time.Minute)))
		}
		m := Sample{Concurrency: level, Requests: int(level), Running: r.IntN(12), Starting: r.IntN(3), CPU: level * r.Float64() * 100, Pending: int(level)}
		if r.IntN(10) == 0 {
			m.Started = m.Starting
		}
		if r.IntN(3) == 0 {
			m.Over = time.Duration(r.Int64N(int64(gap) + 1))
		}
		h.samples, h.gaps = append(h.samples, m), append(h.gaps, gap)
	}
	return h
}

// lives plays n random histories; check sees each decision with the states
// before and after.
func lives(t *testing.T, n int, check func(h history, now time.Time, before State, m Sample, after State, d Decision)) {
	t.Helper()
	for seed := range uint64(n) {
		h := randomHistory(rand.New(rand.NewPCG(seed, 1)))
		s, now := State{}, start
		for i, m := range h.samples {
			now = now.Add(h.gaps[i])
			before := s
			var d Decision
			s, d = Decide(now, h.p, s, m)
			check(h, now, before, m, s, d)
			if t.Failed() {
				t.Fatalf("seed %d, sample %d of %d, params %+v, sample %+v", seed, i, len(h.samples), h.p, m)
			}
		}
	}
}

func TestWantStaysWithinItsBounds(t *testing.T) {
	lives(t, 300, func(h history, _ time.Time, _ State, _ Sample, _ State, d Decision) {
		if d.Want > h.p.Max || d.Want < min(h.p.Min, h.p.Max) || d.Want < 0 {
			t.Errorf("want %d is outside %d…%d", d.Want, h.p.Min, h.p.Max)
		}
	})
}

func TestMoreLoadNeverWantsFewer(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	lives(t, 300, func(h history, now time.Time, before State, m Sample, _ State, d Decision) {
		more := m
		more.Concurrency = m.Concurrency*(1+r.Float64()) + r.Float64()*10
		more.Requests += r.IntN(100)
		more.CPU += r.Float64() * 1000
		more.Pending += r.IntN(100)
		if _, md := Decide(now, h.p, before, more); md.Want < d.Want {
			t.Errorf("load %v wants %d, load %v only %d", m.Concurrency, d.Want, more.Concurrency, md.Want)
		}
	})
}

func TestBurstModeNeverFallsUnlessIdle(t *testing.T) {
	var last Decision
	var lastParams Params
	lives(t, 300, func(h history, _ time.Time, _ State, _ Sample, _ State, d Decision) {
		if h.p != lastParams {
			last, lastParams = Decision{}, h.p
		}
		if last.Burst && last.Reason != ReasonWindow && d.Burst && d.Want < last.Want {
			t.Errorf("burst mode fell from %d to %d", last.Want, d.Want)
		}
		last = d
	})
}

func TestDecidingTwiceFromOneStateGivesOneAnswer(t *testing.T) {
	lives(t, 200, func(h history, now time.Time, before State, m Sample, after State, d Decision) {
		other := m
		other.Concurrency += 1000
		Decide(now, h.p, before, other) // must leave no trace in before
		s2, d2 := Decide(now, h.p, before, m)
		if d2 != d || !reflect.DeepEqual(s2, after) {
			t.Errorf("first %+v, then %+v\n%s", d, d2, cmp.Diff(after, s2, cmp.AllowUnexported(State{}, window{}, highs{})))
		}
	})
}

func TestTrafficAlwaysKeepsOne(t *testing.T) {
	lives(t, 200, func(h history, _ time.Time, _ State, m Sample, _ State, d Decision) {
		if h.p.Max > 0 && (m.Concurrency > 0 || m.Requests > 0) && d.Want == 0 {
			t.Errorf("traffic, but nothing wanted: %+v", d)
		}
	})
}

// stretch is a piece of load, kept by the naive twin of the window.
type stretch struct {
	from, to time.Time
	l        load
}

// naive computes what window.average does from the whole history: the exact
// integral over the last n slots, counted from the moment load was first seen.
func naive(all []stretch, width time.Duration, n int) (level, rps float64) {
	began, until := all[0].from, all[len(all)-1].to
	slot := max(int64(0), int64((until.Sub(began)-1)/width))
	first := began.Add(time.Duration(max(0, slot-int64(n)+1)) * width)
	for _, s := range all {
		a, b := later(s.from, first), s.to
		if s.from.Equal(s.to) {
			if !s.to.Before(first) {
				rps += s.l.calls
			}
			continue
		}
		if d := b.Sub(a); d > 0 {
			level += s.l.level * d.Seconds()
			rps += s.l.calls * d.Seconds() / s.to.Sub(s.from).Seconds()
		}
	}
	span := until.Sub(first).Seconds()
	if span <= 0 {
		return 0, 0
	}
	return level / span, rps / span
}

func TestWindowAgreesWithANaiveOne(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		width := time.Duration(1+r.IntN(3000)) * time.Millisecond
		var w *window
		var all []stretch
		now := start
		for i := range 200 {
			from := now.Add(time.Duration(r.Int64N(3)) * time.Duration(r.Int64N(int64(width))))
			now = from.Add(time.Duration(1 + r.Int64N(int64(5*width))))
			l := load{r.Float64() * 100, r.Float64() * 50}
			w = w.record(from, now, width, l)
			all = append(all, stretch{from, now, l})
			for _, n := range []int{slots, 6, 1} {
				gotLevel, gotRPS := w.average(n)
				wantLevel, wantRPS := naive(all, width, n)
				if !near(gotLevel, wantLevel) || !near(gotRPS, wantRPS) {
					t.Fatalf("seed %d, step %d, %d slots of %v: got %v and %v, the naive window says %v and %v",
						seed, i, n, width, gotLevel, gotRPS, wantLevel, wantRPS)
				}
			}
		}
	}
}

func near(a, b float64) bool {
	return math.Abs(a-b) <= 1e-4*max(math.Abs(a), math.Abs(b), 1)
}

func TestWindowGoesAwayWithItsLoad(t *testing.T) {
	p := Params{Max: 10, Concurrency: 1, Idle: time.Hour}
	s, _ := Decide(start, p, State{}, Sample{Concurrency: 1, Running: 1})
	if s.win == nil {
		t.Fatal("no window while there is load")
	}
	now := start
	for range 31 {
		now = now.Add(2 * time.Second)
		s, _ = Decide(now, p, s, Sample{Running: 1})
	}
	if s.win != nil {
		t.Error("the window outlives its load")
	}
}

func TestStateIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(State{}); n > 136 {
		t.Errorf("a State takes %d bytes, 136 are promised", n)
	}
	if n := unsafe.Sizeof(highs{}); n > 300 {
		t.Errorf("a down window takes %d bytes, 300 are promised", n)
	}
	if n := unsafe.Sizeof(window{}); n > 600 {
		t.Errorf("a window takes %d bytes, 600 are promised", n)
	}
}

func TestReplicasStandInForMin(t *testing.T) {
	n := 3
	if p := For(fn.Scale{Min: 1, Max: 5}, &n); p.Min != 3 {
		t.Errorf("min is %d, want 3", p.Min)
	}
	n = 0
	if p := For(fn.Scale{Min: 1, Max: 5}, &n); p.Min != 0 {
		t.Errorf("min is %d, want 0", p.Min)
	}
	n = 9
	if _, d := Decide(start, For(fn.Scale{Min: 1, Max: 5}, &n), State{}, Sample{}); d.Want != 5 {
		t.Errorf("want %d, but max is 5", d.Want)
	}
	if p := For(fn.Default().Scale, nil); p.Min != 0 || p.Max != 10 {
		t.Errorf("the default policy became %+v", p)
	}
}

func TestAClockThatGoesBackDoesNoHarm(t *testing.T) {
	p := Params{Max: 10, Concurrency: 1, Idle: time.Minute}
	s, _ := Decide(start, p, State{}, Sample{Concurrency: 3, Running: 3})
	s, d := Decide(start.Add(-time.Hour), p, s, Sample{Concurrency: 3, Running: 3})
	if d.Want != 3 {
		t.Errorf("want %d, want 3", d.Want)
	}
	if _, d = Decide(start.Add(2*time.Second), p, s, Sample{Concurrency: 3, Running: 3}); d.Want != 3 {
		t.Errorf("afterwards want %d, want 3", d.Want)
	}
}

func TestTrafficActivates(t *testing.T) {
	lives(t, 300, func(h history, _ time.Time, _ State, m Sample, _ State, d Decision) {
		if (m.Concurrency > 0 || m.Requests > 0) && d.Want < min(h.p.Activation, h.p.Max) {
			t.Errorf("traffic wants %d, the activation is %d", d.Want, h.p.Activation)
		}
	})
}

func TestWindowKeepsTheMostWantedUnlessIdle(t *testing.T) {
	type wish struct {
		at   time.Time
		want int
	}
	var wishes []wish
	var last Params
	lives(t, 300, func(h history, now time.Time, _ State, _ Sample, _ State, d Decision) {
		if h.p != last {
			wishes, last = nil, h.p
		}
		if d.Reason == ReasonIdle || d.Reason == ReasonMin && d.Want == h.p.Min {
			wishes = nil // the idle time has the last word
			return
		}
		for _, w := range wishes {
			if now.Sub(w.at) < h.p.Window && d.Want < w.want {
				t.Errorf("want %d, although %d were wanted %v ago and the window is %v", d.Want, w.want, now.Sub(w.at), h.p.Window)
			}
		}
		if d.Reason != ReasonWindow {
			wishes = append(wishes, wish{now, d.Want})
		}
	})
}

func TestGoalIsWhatOneInstanceGets(t *testing.T) {
	for _, c := range []struct {
		metric fn.Metric
		m      Sample // of a second, again and again
		goal   float64
		want   int
	}{
		{fn.MetricConcurrency, Sample{Concurrency: 30}, 10, 3},
		{fn.MetricConcurrency, Sample{Concurrency: 30.1}, 10, 4},
		{fn.MetricRPS, Sample{Requests: 100}, 50, 2},
		{fn.MetricRPS, Sample{Requests: 101}, 50, 3},
		{fn.MetricRPS, Sample{Requests: 1000, CPU: 9000, Pending: 9000}, 100, 10},
		{fn.MetricCPU, Sample{CPU: 1500, Requests: 1}, 500, 3},
		{fn.MetricCPU, Sample{CPU: 1501, Requests: 1}, 500, 4},
		{fn.MetricQueue, Sample{Pending: 100, Requests: 1}, 10, 10},
		{fn.MetricQueue, Sample{Pending: 7, Requests: 1}, 0.5, 14},
		{fn.MetricRPS, Sample{Requests: 90000}, 50, 40},
	} {
		p := Params{Max: 40, Concurrency: 1000, Idle: time.Hour, Metric: c.metric, Goal: c.goal}
		s, now := State{}, start
		for second := range 100 {
			now = now.Add(time.Second)
			c.m.Over = time.Second
			var d Decision
			s, d = Decide(now, p, s, c.m)
			if c.m.Running = d.Want; d.Want != c.want && (second > 5 || d.Want > c.want) { // a rate takes six seconds
				t.Fatalf("%s %+v with a goal of %v: want %d, must be %d", c.metric, c.m, c.goal, d.Want, c.want)
			}
		}
	}
}

func TestAlertStepsAreThoseOfThePlatform(t *testing.T) {
	for _, c := range []struct {
		current, lo, hi, factor int
		firing                  bool
		want                    int
	}{
		{1, 1, 20, 20, true, 2},
		{1, 1, 5, 20, true, 2},
		{2, 1, 5, 21, true, 4}, // 1.05, rounded up
		{1, 1, 5, 100, true, 5},
		{1, 1, 100, 100, true, 6}, // of the bound no more than 5 count
		{19, 1, 20, 100, true, 20},
		{20, 1, 20, 20, true, 20},
		{3, 1, 5, 0, true, 3},
		{0, 0, 5, 20, true, 1},
		{9, 1, 5, 20, true, 5},
		{9, 2, 20, 20, false, 2},
		{1, 2, 20, 20, false, 2},
		{-3, -1, -1, 500, true, 0},
		{math.MaxInt, 0, math.MaxInt, 100, true, math.MaxInt},
	} {
		if got := AlertStep(c.current, c.lo, c.hi, c.factor, c.firing); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}
