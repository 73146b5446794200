package observe

import (
	"errors"
	"strings"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Config says how much an Observer may keep. A zero field means its default.
type Config struct {
	// Functions is the largest number of functions with counters of their
	// own; the rest share those of "_other". Default 10,000. A function that
	// was called costs 0.6 KB, a busy one 0.3 KB more for each processor.
	Functions int
	// Records is how many of the newest calls are kept, RecordSize bytes
	// each, allocated as they come. Default 10,000; negative keeps none. A
	// quarter is set aside for calls that failed or had to wait for a new
	// instance, so that a busy function does not push them out.
	Records int
	// Version is the server's version, for rouse_build_info.
	Version string
	// Names says what a function is called in the metrics that are named as
	// OpenFaaS has them: NAME.NAMESPACE. nil: those are not served.
	Names func(fn.Ref) string
}

// Observer keeps counters and records. Its methods may be called from several
// goroutines at once; none blocks. It starts no goroutine.
type Observer struct {
	cfg     Config
	table   *table
	lanes   lanes
	stripes int   // stripes of a busy series
	plain   *ring // calls that went as they should
	notable *ring // calls that failed or were cold

	// Starts of instances of all functions. They are not kept for each: the
	// phases of a function's cold calls are in its series already.
	start, init histogram

	http   HTTP
	ledger ledger
}

// New makes an Observer that has seen nothing.
func New(cfg Config) *Observer {
	if cfg.Functions <= 0 {
		cfg.Functions = 10_000
	}
	if cfg.Records == 0 {
		cfg.Records = 10_000
	}
	n := max(cfg.Records, 0)
	o := &Observer{cfg: cfg, table: newTable(cfg.Functions), stripes: stripesWanted()}
	o.notable = newRing(n/4, o.stripes*4)
	o.plain = newRing(n-n/4, o.stripes*4)
	return o
}

// Record counts a finished call and keeps a copy. It does not keep inv.
func (o *Observer) Record(inv *fn.Invocation) {
	ref := &inv.Revision.Ref
	s := o.seriesOf(inv)
	l := o.lanes.get()
	s.record(inv, o.stripes, l)
	o.lanes.put(l)

	if s == o.table.rest || s == o.table.unknown {
		own := fn.Ref{Namespace: strings.Clone(ref.Namespace), Name: strings.Clone(ref.Name)}
		ref = &own
	} else {
		ref = &s.ref
	}
	if s != o.table.unknown && notable(inv) {
		o.notable.add(inv, ref)
	} else {
		o.plain.add(inv, ref)
	}
}

// seriesOf finds where a call counts. A name that no function has makes no
// series of its own, or anybody could fill the table.
func (o *Observer) seriesOf(inv *fn.Invocation) *series {
	if inv.Revision.Number == 0 && inv.Phase == fn.PhaseRoute {
		if s := o.table.find(&inv.Revision.Ref); s != nil {
			return s
		}
		return o.table.unknown
	}
	return o.table.get(&inv.Revision.Ref)
}

// notable says that someone may come and ask about this call.
func notable(inv *fn.Invocation) bool {
	return inv.Cause != "" || inv.Status == 0 || inv.Status >= 500 || inv.Kind == fn.Cold
}

// InstanceStarted counts a start: how long the sandbox took and how long
// until the program answered, or why it came to nothing.
func (o *Observer) InstanceStarted(rev fn.RevisionRef, start, init time.Duration, err error) {
	b := once(&o.table.get(&rev.Ref).boots)
	if err == nil {
		b.started.Add(1)
		o.start.add(start)
		o.init.add(init)
		return
	}
	b.failed.add(tallyKey{cause: causeOf(err)})
}

// causeOf returns the short code of an error.
func causeOf(err error) string {
	if f, ok := errors.AsType[*fn.Failure](err); ok && f.Cause != "" {
		return f.Cause
	}
	return string(fn.KindOf(err))
}

// InstanceExited counts the end of an instance; expected says that we asked
// for it.
func (o *Observer) InstanceExited(rev fn.RevisionRef, exit engine.Exit, expected bool) {
	once(&o.table.get(&rev.Ref).boots).exited(exit, expected)
}

// Forget drops the counters of a function that was removed. Records of its
// calls stay until newer ones take their place.
func (o *Observer) Forget(ref fn.Ref) {
	o.table.remove(ref)
	o.ledger.retain(func(r fn.Ref) bool { return r != ref })
}

// Retain drops the counters of every function that exists does not know: for
// calls that ended after Forget, and functions whose removal is not in the
// file of the calls.
func (o *Observer) Retain(exists func(fn.Ref) bool) {
	o.table.drop(exists)
	o.ledger.retain(exists)
}

// Totals sums up a function since the server started, or since the function
// was made if that is later.
type Totals struct {
	Calls  uint64    // finished, failed ones included
	Failed uint64    // answered with a 5xx, by the function or the platform, or not at all
	Cold   uint64    // had to wait for a new instance
	Last   time.Time // when the newest call began; zero: never called
}

// Totals returns a function's sums. Those of a function that was never called
// are zero.
func (o *Observer) Totals(ref fn.Ref) Totals {
	s := o.table.find(&ref)
	if s == nil {
		return Totals{}
	}
	sum := s.sums()
	t := Totals{Cold: sum.kind[fn.Cold], Failed: sum.class[0] + sum.class[5]}
	for _, n := range sum.kind {
		t.Calls += n
	}
	for _, row := range s.failed.all() {
		if row.key.class == 0 || row.key.class == 5 {
			t.Failed += row.n.Load()
		}
	}
	if sum.last != 0 {
		t.Last = time.Unix(0, sum.last)
	}
	return t
}
