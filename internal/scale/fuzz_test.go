package scale

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// FuzzDecide feeds arbitrary numbers, also impossible ones, into a function's
// life.
func FuzzDecide(f *testing.F) {
	f.Add(1, 10, 32, 70, 0, int64(5*time.Minute), uint8(0), 0.0, 0, int64(0), []byte("a life of a function, forty bytes or so."))
	f.Add(-1, -1, 0, 0, -5, int64(-1), uint8(2), math.NaN(), -7, int64(-3), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add(5, math.MaxInt, math.MaxInt, 100, math.MaxInt, int64(math.MaxInt64), uint8(1), 5e-324, math.MaxInt, int64(math.MaxInt64), make([]byte, 200))
	f.Add(0, 9, 1, 70, 0, int64(time.Second), uint8(3), 45.0, 2, int64(time.Minute), []byte("another life of a function, sixty bytes long or perhaps more"))
	f.Add(0, 9, 1, 70, 0, int64(time.Second), uint8(4), math.Inf(1), 20, int64(1), make([]byte, 100))
	f.Fuzz(func(t *testing.T, lo, hi, conc, target, rps int, idle int64, metric uint8, goal float64, activation int, window int64, life []byte) {
		metrics := []fn.Metric{"", fn.MetricConcurrency, fn.MetricRPS, fn.MetricCPU, fn.MetricQueue, "nonsense"}
		p := Params{
			Min: lo, Max: hi, Concurrency: conc, Target: target, RPS: rps, Idle: time.Duration(idle),
			Metric: metrics[int(metric)%len(metrics)], Goal: goal, Activation: activation, Window: time.Duration(window),
		}
		s, now := State{}, start
		for len(life) >= 20 {
			b := life[:20]
			life = life[20:]
			m := Sample{
				Concurrency: math.Float64frombits(binary.LittleEndian.Uint64(b)),
				Requests:    int(int16(binary.LittleEndian.Uint16(b[8:]))),
				Started:     int(int8(b[10])), Running: int(int8(b[11])), Starting: int(int8(b[12])),
				Over: time.Duration(int8(b[13])) * time.Second,
				CPU:  math.Float64frombits(binary.LittleEndian.Uint64(b[12:])), Pending: int(int16(binary.LittleEndian.Uint16(b[16:]))),
			}
			now = now.Add(time.Duration(int32(binary.LittleEndian.Uint32(b[14:]))) * time.Duration(b[18]))
			var d Decision
			s, d = Decide(now, p, s, m)
			switch top := max(hi, 0); {
			case d.Want < 0, d.Want > top, d.Want < min(lo, top):
				t.Fatalf("want %d with min %d, max %d", d.Want, lo, hi)
			case d.Again < 0:
				t.Fatalf("look again in %v", d.Again)
			case d.Reason == "":
				t.Fatal("no reason given")
			case math.IsNaN(d.Stable+d.Recent+d.Load) || d.Stable < 0 || d.Recent < 0 || d.Load < 0:
				t.Fatalf("averages %v and %v, load %v", d.Stable, d.Recent, d.Load)
			}
		}
	})
}

func FuzzBurst(f *testing.F) {
	f.Add(0, 200, 32, 0, 0, 10)
	f.Add(10, 1, 10, 1, 0, 10)
	f.Add(math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt)
	f.Add(math.MinInt, -1, 0, -1, -1, 3)
	f.Fuzz(func(t *testing.T, inflight, queued, concurrency, running, starting, limit int) {
		n := Burst(inflight, queued, concurrency, running, starting, limit)
		have := sum(running, starting)
		if n < 0 || n > 0 && n > limit-have {
			t.Fatalf("starts %d with %d there and a limit of %d", n, have, limit)
		}
		// The answer is the smallest one that leaves nobody without a slot.
		fits := func(n int) bool {
			return float64(n)*float64(max(concurrency, 1)) >= float64(max(inflight, 0))+float64(max(queued, 0))
		}
		if have+n < limit && !fits(have+n) {
			t.Fatalf("%d instances are too few", have+n)
		}
		if big := 1 << 50; n > 0 && inflight < big && queued < big && fits(have+n-1) {
			t.Fatalf("%d instances are more than needed", have+n)
		}
	})
}

func FuzzAlertStep(f *testing.F) {
	f.Add(1, 1, 20, 20, true)
	f.Add(math.MaxInt, math.MinInt, math.MaxInt, math.MaxInt, true)
	f.Fuzz(func(t *testing.T, current, lo, hi, factor int, firing bool) {
		n := AlertStep(current, lo, hi, factor, firing)
		if n < 0 || firing && n > max(hi, 0) || !firing && n != max(lo, 0) {
			t.Fatalf("%d replicas within %d…%d", n, lo, hi)
		}
		if firing && current <= hi && n < current {
			t.Fatalf("an alert that fires took %d to %d", current, n)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p := Params{Max: 10, Concurrency: 32, Target: 70, Idle: 5 * time.Minute}
	s, now := State{}, start
	m := Sample{Over: 2 * time.Second, Concurrency: 40, Requests: 1000, Running: 2}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(2 * time.Second)
		s, _ = Decide(now, p, s, m)
	}
}
