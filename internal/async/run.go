package async

import (
	"context"
	"errors"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Reasons why a delivery is broken off.
var (
	errStopping = errors.New("the server stops")
	errCanceled = errors.New("the call was cancelled")
	errLost     = errors.New("the lease was lost")
)

// seat is where a message is.
type seat struct {
	stream string
	seq    uint64
}

// running is a delivery in hand.
type running struct {
	seat
	lease  uint64
	cancel context.CancelCauseFunc
}

// Run carries out what is due until ctx ends. Calls in hand then get
// Config.Grace to end; those that do not are due again at the next start. It
// returns when all it started has ended. It is called once.
func (e *Engine) Run(ctx context.Context) error {
	upkeep, ended := context.WithCancel(context.WithoutCancel(ctx))
	var keeper sync.WaitGroup
	keeper.Go(func() { e.keep(upkeep) })
	keeper.Go(func() { e.expire(upkeep) })
	defer keeper.Wait()
	defer ended()

	err := e.dispatch(ctx)
	e.driven.Wait()
	e.drain()
	return err
}

// dispatch has somebody look at each stream that something became due in.
func (e *Engine) dispatch(ctx context.Context) error {
	for {
		streams, err := e.cfg.Queue.Due(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if fn.KindOf(err) == fn.Unavailable {
				return err // closed
			}
			e.cfg.Log.Error("asynchronous calls cannot be looked for, trying again", "error", err)
			sleep(ctx, time.Second)
			continue
		}
		for _, stream := range streams {
			e.kick(ctx, stream)
		}
	}
}

// drain waits for what is in hand, but not for ever.
func (e *Engine) drain() {
	t := time.AfterFunc(e.cfg.Grace, func() { e.breakOff(errStopping) })
	defer t.Stop()
	e.inHand.Wait()
}

// breakOff ends all that is in hand.
func (e *Engine) breakOff(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.running {
		r.cancel(cause)
	}
}

// enter notes a delivery that is in hand. It outlives the lane's ctx; it ends
// with the server's patience, when the call is cancelled, or when its lease is
// lost.
func (e *Engine) enter(ctx context.Context, d *queue.Delivery) (context.Context, *running) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	r := &running{seat: seat{d.Stream, d.Seq}, lease: d.Lease, cancel: cancel}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[r.seat] = r
	return ctx, r
}

// leave undoes enter.
func (e *Engine) leave(r *running) {
	r.cancel(nil)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running[r.seat] == r {
		delete(e.running, r.seat)
	}
}

// keep extends leases, counts what waits, and forgets what need not be
// remembered, until ctx ends.
func (e *Engine) keep(ctx context.Context) {
	const every = time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	var extended time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if now.Sub(extended) >= e.cfg.Lease/4 {
				e.extend(ctx, now)
				extended = now
			}
			e.count(ctx)
			e.tidy(now)
		}
	}
}

func (e *Engine) tidy(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.lanes {
		e.tidyLocked(l, now)
	}
}

// extend keeps the leases of all that is in hand.
func (e *Engine) extend(ctx context.Context, now time.Time) {
	e.mu.Lock()
	all := make([]*running, 0, len(e.running))
	for _, r := range e.running {
		all = append(all, r)
	}
	e.mu.Unlock()
	outcomes := make([]queue.Outcome, 0, len(all))
	for _, r := range all {
		outcomes = append(outcomes, queue.Outcome{Stream: r.stream, Seq: r.seq, Lease: r.lease, Action: queue.Extend, At: now.Add(e.cfg.Lease)})
	}
	if len(all) == 0 || e.cfg.Queue.Settle(ctx, outcomes...) == nil {
		return
	}
	// One that is over, or gone, spoils it for all.
	for i, r := range all {
		err := e.cfg.Queue.Settle(ctx, outcomes[i])
		if fn.KindOf(err) == fn.Conflict && err != nil {
			r.cancel(errLost) // does nothing if it is over
		}
	}
}
