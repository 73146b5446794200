package pebbledb

import "sync"

// gate counts running calls, so that closing can wait for them: a database that
// is used after it was closed panics. The zero gate is open.
type gate struct {
	mu      sync.Mutex
	running int           // guarded by mu
	closed  bool          // guarded by mu
	idle    chan struct{} // guarded by mu until closed is set: closed when running falls to 0 after shut
}

// enter counts a call in, or returns false after shut.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.closed && g.running == 0 {
		close(g.idle)
	}
}

// shut closes the gate. It returns false if that was done before.
func (g *gate) shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.closed = true
	g.idle = make(chan struct{})
	if g.running == 0 {
		close(g.idle)
	}
	return true
}

// wait returns when all calls that entered before shut have left.
func (g *gate) wait() { <-g.idle }
