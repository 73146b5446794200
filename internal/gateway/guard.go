package gateway

import (
	"context"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// guard lets the sweeper, and whoever else notices that a call must end, stop
// a call that another goroutine is blocked in. It exists so that a call needs
// neither a context nor a timer.
type guard struct {
	mu     sync.Mutex
	active bool                    // the call runs
	x      *call                   // whose guard it is, while active
	inst   *wire.Conn              // the connection to the instance, once there is one
	cancel context.CancelCauseFunc // ends the wait in the pool, while there is one
	cause  error                   // why the call must end: the first reason given; an fn.Kind or *fn.Failure
}

// open begins a call.
func (g *guard) open(x *call) {
	g.mu.Lock()
	g.active, g.x, g.inst, g.cancel, g.cause = true, x, nil, nil, nil
	g.mu.Unlock()
}

// shut ends a call: from here on stop does nothing.
func (g *guard) shut() {
	g.mu.Lock()
	g.active, g.inst, g.cancel = false, nil, nil
	g.mu.Unlock()
}

// hold notes how to end a wait in the pool.
func (g *guard) hold(cancel context.CancelCauseFunc) {
	g.mu.Lock()
	g.cancel = cancel
	if cancel != nil && g.cause != nil {
		cancel(g.cause)
	}
	g.mu.Unlock()
}

// arm notes the connection to the instance. It returns the cause if the call
// was stopped before.
func (g *guard) arm(c *wire.Conn) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause == nil {
		g.inst = c
	}
	return g.cause
}

// disarm lets go of the connection to the instance and returns why the call
// was stopped, if it was: then the connection must not be used again.
func (g *guard) disarm() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inst = nil
	return g.cause
}

// why returns why the call was stopped, nil if it was not.
func (g *guard) why() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// stop ends the call for a cause. Only the first cause counts.
func (g *guard) stop(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopLocked(cause)
}

func (g *guard) stopLocked(cause error) {
	if !g.active || g.cause != nil {
		return
	}
	g.cause = cause
	if g.cancel != nil {
		g.cancel(cause)
	}
	if g.inst != nil {
		_ = g.inst.SetDeadline(past)
		g.x.client.cut()
	}
}

// sweep ends the call if its deadline has passed or its client has left.
func (g *guard) sweep(now int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.active || g.cause != nil || g.x.tunnelled.Load() {
		return // a tunnel has no deadline and sees its ends itself
	}
	x := g.x
	age := time.Duration(now - x.began)
	switch {
	case age < patience:
	case x.entry.Timeout > 0 && age >= x.entry.Timeout && g.inst != nil:
		g.stopLocked(fn.Timeout)
	case x.client.gone():
		g.stopLocked(fn.Canceled)
	}
}
