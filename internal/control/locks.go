package control

import (
	"context"
	"sync"

	"rouse.dev/rouse/internal/fn"
)

// keyedLocks is one mutex for each function that is being changed.
type keyedLocks struct {
	mu sync.Mutex
	m  map[fn.Ref]chan struct{} // guarded by mu: closed when the change is over
}

// lock waits until nobody else changes ref. The caller calls unlock.
func (k *keyedLocks) lock(ctx context.Context, ref fn.Ref) (unlock func(), err error) {
	mine := make(chan struct{})
	for {
		k.mu.Lock()
		other, taken := k.m[ref]
		if !taken {
			if k.m == nil {
				k.m = make(map[fn.Ref]chan struct{})
			}
			k.m[ref] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.m, ref)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fn.Errorf(fn.Conflict, "waiting for another change of %s: %w", ref, context.Cause(ctx))
		}
	}
}

// gate lets any number in, or one that is alone. Who waits to be alone keeps
// nobody out meanwhile: a deploy may take long.
type gate struct {
	mu     sync.Mutex
	inside int           // guarded by mu: how many are in; -1: one, alone
	moved  chan struct{} // guarded by mu: closed when the last one leaves; nil: nobody waits
}

// enter waits until nobody is alone. The caller calls leave.
func (g *gate) enter(ctx context.Context) error {
	return g.wait(ctx, func() bool {
		if g.inside < 0 {
			return false
		}
		g.inside++
		return true
	})
}

// alone waits until nobody is inside. The caller calls leave.
func (g *gate) alone(ctx context.Context) error {
	return g.wait(ctx, func() bool {
		if g.inside != 0 {
			return false
		}
		g.inside = -1
		return true
	})
}

// tryAlone is alone, if that needs no waiting.
func (g *gate) tryAlone() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside != 0 {
		return false
	}
	g.inside = -1
	return true
}

// wait calls take, with mu held, each time it may succeed, until it does.
func (g *gate) wait(ctx context.Context, take func() bool) error {
	for {
		g.mu.Lock()
		if take() {
			g.mu.Unlock()
			return nil
		}
		if g.moved == nil {
			g.moved = make(chan struct{})
		}
		moved := g.moved
		g.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return fn.Errorf(fn.Conflict, "waiting for other changes to end: %w", context.Cause(ctx))
		}
	}
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside = max(g.inside-1, 0); g.inside == 0 && g.moved != nil {
		close(g.moved)
		g.moved = nil
	}
}
