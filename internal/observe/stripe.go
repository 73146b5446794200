package observe

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// classes are the values of the label "code". The status of a call is
// grouped, so that a function that answers with a thousand different ones
// makes no more series than any other.
const classes = 7

func className(c int) string {
	return [classes]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx", "other"}[c]
}

// classOf groups a status. 0 means that the client left before there was one.
func classOf(status int) int {
	switch {
	case status == 0:
		return 0
	case status >= 100 && status < 600:
		return status / 100
	}
	return classes - 1
}

// phases are the values of the label "phase", in the order of timing.
const phases = 6

func phaseName(p int) string {
	return string([phases]fn.Phase{
		fn.PhaseRoute, fn.PhaseQueue, fn.PhaseStart, fn.PhaseInit, fn.PhaseRun, fn.PhaseReply,
	}[p])
}

func timing(t *fn.Timing) [phases]time.Duration {
	return [phases]time.Duration{t.Route, t.Queue, t.Start, t.Init, t.Run, t.Reply}
}

// kinds are the values of the label "start".
const kinds = int(fn.Cold) + 1

// stripe is one part of a function's counters. Parts are added up when they
// are read. Its size is a multiple of a cache line, so that processors that
// write to different stripes do not disturb each other.
type stripe struct {
	class   [classes]atomic.Uint64 // calls the platform did not fail, by classOf
	kind    [kinds]atomic.Uint64   // all calls
	phase   [phases]atomic.Uint64  // nanoseconds
	ok      histogram              // durations of calls with status 200
	others  atomic.Pointer[others] // durations of all others; set once
	in, out atomic.Uint64          // body bytes
	last    atomic.Int64           // when the newest call began, Unix nanoseconds
	_       [8]byte
}

// add counts a call whose status has that number. It returns how many the
// stripe has seen of that kind.
func (s *stripe) add(inv *fn.Invocation, status int) uint64 {
	if inv.Cause == "" {
		s.class[classOf(inv.Status)].Add(1)
	}
	n := s.kind[min(int(inv.Kind), kinds-1)].Add(1)
	var total time.Duration
	for i, d := range timing(&inv.Timing) {
		if d > 0 {
			total += d
			s.phase[i].Add(uint64(d))
		}
	}
	s.of(status).add(total)
	if inv.In > 0 {
		s.in.Add(uint64(inv.In))
	}
	if inv.Out > 0 {
		s.out.Add(uint64(inv.Out))
	}
	s.last.Store(inv.Began.UnixNano())
	return n
}

// lanes hands out numbers such that two processors rarely hold the same one
// at a time. A number is for use within one call of a function; nothing
// breaks when two goroutines have the same.
type lanes struct {
	pool sync.Pool // of *lane: the standard library keeps one for each processor
	next atomic.Uint32
}

type lane struct{ n uint32 }

func (l *lanes) get() *lane {
	if v, ok := l.pool.Get().(*lane); ok {
		return v
	}
	return &lane{n: l.next.Add(1)}
}

func (l *lanes) put(v *lane) { l.pool.Put(v) }

// stripesWanted returns how many stripes this machine can use: a power of
// two, at most 16.
func stripesWanted() int {
	n := min(runtime.GOMAXPROCS(0), 16)
	return 1 << bits.Len(uint(n-1))
}
