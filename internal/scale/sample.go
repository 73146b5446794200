package scale

import (
	"math"
	"time"
)

// Reasons of a Decision.
const (
	ReasonIdle   = "idle"      // no traffic for Params.Idle
	ReasonKeep   = "keep"      // traffic too thin to need one, but not idle for long enough
	ReasonStable = "stable"    // the stable window needs that many
	ReasonBurst  = "burst"     // burst mode: the most wanted since it began
	ReasonUp     = "rate-up"   // more are needed than may come at once
	ReasonDown   = "rate-down" // fewer are needed, but not so many may go at once
	ReasonMin    = "min"       // the lower bound
	ReasonMax    = "max"       // the upper bound
	ReasonGoal   = "goal"      // the load holds that many goals
	ReasonSlots  = "slots"     // the calls in hand need that many, the goal fewer
	ReasonActive = "active"    // there is traffic: Params.Activation
	ReasonWindow = "window"    // so many were wanted within Params.Window
)

// Sample is what happened since the previous one. Numbers that make no sense
// (negative, not a number) count as 0.
type Sample struct {
	// Over is the time the sample is about, ending now; 0 means since the
	// previous sample. Time between the previous sample and the start of Over
	// counts as time without traffic. The first sample without Over is about
	// one second.
	Over        time.Duration
	Concurrency float64 // calls in flight and held, averaged over Over; the number right now will do
	Requests    int     // calls that arrived in Over
	CPU         float64 // thousandths of a core in use, all instances together, averaged over Over; only for that metric
	Pending     int     // asynchronous calls waiting now; only for that metric
	Started     int     // instances started because of Burst in Over
	Running     int     // instances that take calls, frozen ones too; draining ones do not count
	Starting    int     // instances on their way
}

// State is what Decide remembers of one function between samples: 136 bytes,
// 600 more while there has been traffic within the stable window, and 300 more
// with a Window. The zero value is a function at rest. States are values:
// deciding does not change the old one.
type State struct {
	win         *window   // nil without load within the stable window
	highs       *highs    // nil without Params.Window
	seen        time.Time // the newest sample
	active      time.Time // the newest sample with traffic, or when instances were first seen; zero: at rest
	burst       time.Time // when the burst was last noticed; zero: not in burst mode
	stepped     time.Time // when floor and ceil were set; zero: never
	peak        int       // most wanted since burst mode began
	floor, ceil int       // rate limits of this step
}

// AtRest says that the state is that of a function at rest: it can be thrown
// away, State{} is as good.
func (s State) AtRest() bool { return s.active.IsZero() && s.win == nil && s.highs == nil }

// Decision is how many instances there should be.
type Decision struct {
	Want   int
	Burst  bool    // burst mode: Want does not fall until it is over; never with a goal
	Reason string  // the rule that had the last word, one of the Reason constants
	Stable float64 // average concurrency over the stable window; with a goal, of what its metric counts
	Recent float64 // the same over the burst window
	Load   float64 // what the goal was compared with; 0 without one

	// Again is when to decide again even if no call arrives; 0 means only when
	// one does.
	Again time.Duration
}

func (m *Sample) have() int  { return m.Running + m.Starting }
func (m *Sample) busy() bool { return m.Concurrency > 0 || m.Requests > 0 || m.Started > 0 }

// mended returns m with impossible numbers made possible.
func (m Sample) mended() Sample {
	for _, v := range []*float64{&m.Concurrency, &m.CPU} {
		if math.IsNaN(*v) || *v < 0 {
			*v = 0
		}
		*v = min(*v, enough)
	}
	m.Over = max(m.Over, 0)
	for _, n := range []*int{&m.Requests, &m.Pending, &m.Started, &m.Running, &m.Starting} {
		*n = min(max(*n, 0), enough)
	}
	return m
}
