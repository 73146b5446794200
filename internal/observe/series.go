package observe

import (
	"iter"
	"sync/atomic"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// hotAfter is the number of calls after which a series is spread over one
// stripe for each processor.
const hotAfter = 1 << 10

// series holds all counters of one function. It begins with one stripe and
// gets more once the function is called often; what only some functions have
// (failures, cold starts, ends of instances) is made when it first happens.
type series struct {
	ref    fn.Ref
	base   stripe                    // the only one until hot is set
	hot    atomic.Pointer[[]*stripe] // set once; length is a power of two
	codes  codes                     // statuses of calls
	failed tally                     // calls the platform failed
	waited atomic.Pointer[histogram] // queue + start + init of cold calls; set once
	boots  atomic.Pointer[boots]     // set once
	shown  atomic.Pointer[shown]     // set once
}

// boots is what happened to a function's instances.
type boots struct {
	started atomic.Uint64
	failed  tally // starts that came to nothing
	exits   [exits]atomic.Uint64
	cpu     atomic.Uint64 // nanoseconds used by instances that have ended
}

// record counts a call.
func (s *series) record(inv *fn.Invocation, stripes int, l *lane) {
	st := &s.base
	if hot := s.hot.Load(); hot != nil {
		st = (*hot)[int(l.n)&(len(*hot)-1)]
	}
	if n := st.add(inv, s.codes.number(inv.Status)); n == hotAfter && st == &s.base && stripes > 1 {
		s.spread(stripes)
	}
	if inv.Cause != "" {
		s.failed.add(tallyKey{class: classOf(inv.Status), cause: inv.Cause})
	}
	if inv.Kind == fn.Cold {
		t := &inv.Timing
		once(&s.waited).add(t.Queue + t.Start + t.Init)
	}
}

// spread gives the series its stripes.
func (s *series) spread(n int) {
	hot := make([]*stripe, n)
	for i := range hot {
		hot[i] = new(stripe)
	}
	s.hot.CompareAndSwap(nil, &hot)
}

// once returns what p points at, made if need be.
func once[T any](p *atomic.Pointer[T]) *T {
	if v := p.Load(); v != nil {
		return v
	}
	p.CompareAndSwap(nil, new(T))
	return p.Load()
}

// sums are a series' counters at one moment.
type sums struct {
	class    [classes]uint64
	kind     [kinds]uint64
	phase    [phases]uint64
	duration reading
	in, out  uint64
	last     int64
}

func (s *series) sums() (t sums) {
	for st := range s.parts() {
		t.add(st)
	}
	return t
}

// parts yields the stripes.
func (s *series) parts() iter.Seq[*stripe] {
	return func(yield func(*stripe) bool) {
		if !yield(&s.base) {
			return
		}
		if hot := s.hot.Load(); hot != nil {
			for _, st := range *hot {
				if !yield(st) {
					return
				}
			}
		}
	}
}

// calls is the number of finished calls.
func (s *series) calls() (n uint64) {
	for st := range s.parts() {
		for i := range st.kind {
			n += st.kind[i].Load()
		}
	}
	return n
}

func (t *sums) add(s *stripe) {
	for i := range s.class {
		t.class[i] += s.class[i].Load()
	}
	for i := range s.kind {
		t.kind[i] += s.kind[i].Load()
	}
	for i := range s.phase {
		t.phase[i] += s.phase[i].Load()
	}
	t.duration.add(&s.ok)
	if o := s.others.Load(); o != nil {
		for i := range o {
			t.duration.add(o[i].Load())
		}
	}
	t.in += s.in.Load()
	t.out += s.out.Load()
	t.last = max(t.last, s.last.Load())
}

// The values of the label "reason" of an instance's end.
const (
	exitExpected = iota // we asked for it
	exitOOM
	exitSignal
	exitError // a status other than 0
	exitZero  // status 0, but we had not asked
	exits
)

func exitName(i int) string {
	return [exits]string{"stopped", "oom", "signal", "error", "returned"}[i]
}

func exitOf(e engine.Exit, expected bool) int {
	switch {
	case expected:
		return exitExpected
	case e.OOM:
		return exitOOM
	case e.Signal != "":
		return exitSignal
	case e.Code != 0:
		return exitError
	}
	return exitZero
}

func (b *boots) exited(e engine.Exit, expected bool) {
	b.exits[exitOf(e, expected)].Add(1)
	b.cpu.Add(uint64(max(e.CPU, 0)))
}
