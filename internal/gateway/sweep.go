package gateway

import (
	"time"
)

const (
	patience  = 50 * time.Millisecond  // calls younger than this are not looked at
	sweepBusy = 50 * time.Millisecond  // between two looks while calls are in flight
	sweepIdle = 100 * time.Millisecond // while there are only connections
)

// sweep looks after everything that would otherwise need a timer each: the
// deadline of calls, clients that left, connections that are idle or send
// their head too slowly. It sleeps while there is no connection.
func (s *Server) sweep(ended <-chan struct{}) {
	t := time.NewTimer(sweepIdle)
	defer t.Stop()
	var conns []*conn
	var webs []*web
	for {
		select {
		case <-t.C:
		case <-ended:
			return
		}
		conns, webs = s.conns.list(conns), s.webs.list(webs)
		if len(conns) == 0 && len(webs) == 0 {
			select {
			case <-s.conns.wake:
			case <-ended:
				return
			}
		}
		pause := sweepIdle
		now := s.now()
		for _, c := range conns {
			if c.sweep(now) {
				pause = sweepBusy
			}
		}
		for _, w := range webs {
			w.x.guard.sweep(now)
			pause = sweepBusy
		}
		clear(conns)
		clear(webs)
		t.Reset(pause)
	}
}

// sweep looks at one connection and reports whether it serves a call.
func (c *conn) sweep(now int64) bool {
	age := time.Duration(now - c.since.Load())
	switch connState(c.state.Load()) {
	case busy:
		if g := c.guard.Load(); g != nil && age >= patience {
			g.sweep(now)
		}
		return true
	case idle:
		if age > c.s.cfg.IdleTimeout && c.state.CompareAndSwap(int32(idle), int32(closed)) {
			_ = c.wc.Close()
		}
	case reading:
		if age > c.s.cfg.HeadTimeout && c.state.CompareAndSwap(int32(reading), int32(closed)) {
			_ = c.wc.Close()
		}
	}
	return false
}
