package observe

import (
	"iter"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Source tells what is true at the moment it is asked. It is read once for
// each scrape.
type Source interface {
	// Loads yields the functions that have calls in hand or instances. A
	// function may come several times, once for each revision: its numbers
	// are added up.
	Loads() iter.Seq[Load]
}

// Load is what a function is doing now.
type Load struct {
	fn.Ref
	InFlight  int // calls an instance works on
	Held      int // calls waiting for an instance or a slot
	Wanted    int // instances the autoscaler wants
	Instances Instances

	Min    int       // instances kept whatever the traffic
	Metric fn.Metric // what Goal counts; "": there is no goal
	Goal   float64
	Meters []Meter // of the instances; asked while the metrics are read, if at all
}

// Meter asks the host what an instance uses.
type Meter func() (engine.Usage, error)

// Instances counts instances by state.
type Instances struct{ Starting, Ready, Busy, Frozen, Draining int }

func (l *Load) add(o Load) {
	l.InFlight += o.InFlight
	l.Held += o.Held
	l.Wanted += o.Wanted
	l.Instances.Starting += o.Instances.Starting
	l.Instances.Ready += o.Instances.Ready
	l.Instances.Busy += o.Instances.Busy
	l.Instances.Frozen += o.Instances.Frozen
	l.Instances.Draining += o.Instances.Draining
	l.Min += o.Min
	if o.Metric != "" {
		l.Metric, l.Goal = o.Metric, o.Goal
	}
	l.Meters = append(l.Meters, o.Meters...)
}

// Queues tells of asynchronous calls. It is read once for each scrape.
type Queues interface {
	// Queues yields a row for each queue and function that has had calls since
	// the server started, or has some now.
	Queues() iter.Seq[Queue]
}

// Queue is what a queue holds of one function. The counters only grow.
type Queue struct {
	fn.Ref
	Name      string // of the queue
	Pending   int    // calls that wait
	InFlight  int    // calls being made
	Submitted uint64 // accepted
	Processed uint64 // done with, whatever came of them
}

// Number is one more figure of the server itself, for parts that should not
// know Prometheus.
type Number struct {
	Name    string // with unit: "rouse_log_dropped_lines_total"
	Help    string
	Counter bool // only grows; else a gauge
	Read    func() float64
}
