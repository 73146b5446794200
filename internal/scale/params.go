package scale

import (
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Defaults of the fields of Params that functions do not set.
const (
	DefaultStable    = 60 * time.Second // window that decides in calm times
	DefaultBurst     = 6 * time.Second  // window that notices a burst
	DefaultThreshold = 200              // percent of what runs that makes a burst
	DefaultUp        = 10               // at most so many times as many within a Step
	DefaultDown      = 2                // at least this fraction left after a Step
	DefaultStep      = 2 * time.Second  // how often the rate limits move on
)

// slots is how finely the stable window is divided.
const slots = 60

// Params is the policy of one function. A zero field from Stable on means its
// default.
type Params struct {
	Min, Max    int           // bounds of the answer; Max wins, Max < 1 allows nothing
	Concurrency int           // calls at once in one instance; < 1 counts as 1
	Target      int           // wanted use of Concurrency in percent, 1–100
	RPS         int           // wanted calls a second for each instance; 0: not a signal
	Idle        time.Duration // time without traffic until Min is enough; negative: never

	// Metric says what is counted instead of Concurrency × Target and RPS, and
	// Goal how much of it one instance is to get; "", or a Goal that is not more
	// than 0: nothing.
	Metric     fn.Metric
	Goal       float64
	Activation int           // at least so many while there is traffic
	Window     time.Duration // down only to the most wanted within this time; 0: at once

	Stable, Burst time.Duration // windows; Burst is at most Stable
	Threshold     int           // percent: burst mode begins when the burst window wants this much of what runs
	Up, Down      int           // factors, see DefaultUp and DefaultDown
	Step          time.Duration
}

// For returns the parameters of a function. replicas is fn.Function.Replicas:
// unless nil it stands in for the policy's Min.
func For(s fn.Scale, replicas *int) Params {
	p := Params{
		Min: s.Min, Max: s.Max, Concurrency: s.Concurrency, Target: s.Target,
		RPS: s.RPS, Idle: s.Idle,
		Metric: s.Metric, Goal: s.Goal, Activation: s.Activation, Window: s.Window,
	}
	if replicas != nil {
		p.Min = *replicas
	}
	return p
}

// withDefaults fills in what is zero and mends what makes no sense.
func (p Params) withDefaults() Params {
	p.Max = max(p.Max, 0)
	p.Min = min(max(p.Min, 0), p.Max)
	p.Concurrency = max(p.Concurrency, 1)
	if p.Target < 1 || p.Target > 100 {
		p.Target = 100
	}
	orElse(&p.Stable, DefaultStable)
	orElse(&p.Burst, DefaultBurst)
	orElse(&p.Threshold, DefaultThreshold)
	orElse(&p.Up, DefaultUp)
	orElse(&p.Down, DefaultDown)
	orElse(&p.Step, DefaultStep)
	p.Stable = max(p.Stable, slots*time.Millisecond)
	p.Burst = min(p.Burst, p.Stable)
	return p
}

func orElse[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// width is the length of one slot of the stable window.
func (p *Params) width() time.Duration { return p.Stable / slots }

// burstSlots is how many slots the burst window spans.
func (p *Params) burstSlots() int { return p.slotsIn(p.Burst) }

// slotsIn is how many slots of the stable window the newest d of it spans.
func (p *Params) slotsIn(d time.Duration) int {
	w := p.width()
	return int(min((d+w-1)/w, slots))
}

// enough stands for any number of instances that is surely above Max.
const enough = 1 << 30

// need returns how many instances carry the load: concurrency calls in hand
// at once, rps calls a second.
func (p *Params) need(concurrency, rps float64) int {
	n := ceilTo(concurrency, float64(p.Concurrency)*float64(p.Target)/100)
	if p.RPS > 0 {
		n = max(n, ceilTo(rps, float64(p.RPS)))
	}
	return n
}

// ceilTo returns ⌈load/each⌉, at most enough. A share of a millionth of an
// instance is rounding error of the window's sums, not load.
func ceilTo(load, each float64) int {
	q := load / each
	if q >= enough {
		return enough
	}
	n := int(q)
	if q-float64(n) > 1e-6 {
		n++
	}
	return n
}
