package pool

import (
	"context"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// Slot is the right to send one call to an instance, with a connection to do
// it. It belongs to one goroutine until Release.
type Slot struct {
	Conn     *wire.Conn
	Instance string
	Kind     fn.StartKind // what the call waited for
	Timing   fn.Timing    // Queue, Start and Init are set
	Reused   bool         // Conn has carried an earlier request
	Answered bool         // the function answered; set by whoever made the call, before Release

	inst   *instance
	parked time.Time // when it was last released
}

// Release gives the slot back. reuse says that the response was read to its
// end and the connection can carry another request.
func (s *Slot) Release(reuse bool) {
	i := s.inst
	g := i.g
	if !reuse {
		s.close()
	}
	g.mu.Lock()
	i.calls--
	g.inflight--
	i.sole = false
	switch {
	case s.Answered:
		i.served++
		g.fails, g.notBefore = 0, time.Time{}
	case i.judge != nil && i.served == 0:
		g.failedLocked(i.judge, time.Now())
		i.judge = nil
	}
	if reuse {
		if i.dead || i.stopping {
			s.close()
		} else {
			s.Reused, s.Answered, s.parked = true, false, time.Now()
			i.idle = append(i.idle, s)
		}
	}
	if i.calls == 0 {
		i.idleSince = time.Now()
		g.lastUse = i.idleSince
		if i.state == draining {
			i.stopLocked()
		}
	}
	if len(g.waiters) > 0 {
		g.dispatchLocked()
	}
	g.mu.Unlock()
}

// Redial replaces the connection after a kept-alive one turned out dead.
func (s *Slot) Redial(ctx context.Context) error {
	s.close()
	c, err := s.inst.box.Dial(ctx)
	if err != nil {
		return err
	}
	s.Conn, s.Reused = wire.NewConn(c), false
	return nil
}

// Explain says why a call broke off: the instance's own end if it ended,
// otherwise err. It may wait a moment for the end to be known.
func (s *Slot) Explain(ctx context.Context, err error, phase fn.Phase) *fn.Failure {
	return s.inst.g.explain(ctx, s.inst, err, phase)
}

func (s *Slot) close() {
	if s.Conn != nil {
		_ = s.Conn.Close()
	}
}

// connect turns a reserved slot into one with a connection.
func (g *group) connect(ctx context.Context, i *instance, kind fn.StartKind, began time.Time) (s *Slot, again bool, err error) {
	waited := time.Since(began)
	s = i.unpark()
	if s == nil {
		s = &Slot{Instance: i.id, inst: i}
		if err := s.Redial(ctx); err != nil {
			fail := s.Explain(ctx, err, fn.PhaseInit)
			if i.ended() {
				g.exited(i)
			}
			s.Release(false)
			if ctx.Err() != nil {
				return nil, false, g.gaveUp(ctx, began)
			}
			return nil, true, fail
		}
	}
	s.Kind, s.Timing = kind, fn.Timing{}
	switch {
	case kind == fn.Cold && i.began.Before(began.Add(waited)):
		s.Timing.Start, s.Timing.Init = i.start, i.init
		s.Timing.Queue = max(0, waited-i.start-i.init)
	default:
		s.Timing.Queue = waited
	}
	return s, false, nil
}

// unpark takes a kept-alive connection, or returns nil.
func (i *instance) unpark() *Slot {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	n := len(i.idle)
	if n == 0 {
		return nil
	}
	s := i.idle[n-1]
	if s.stale() {
		for _, old := range i.idle {
			old.close()
		}
		i.idle = nil
		return nil
	}
	i.idle = i.idle[:n-1]
	return s
}
