package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"sync"
	"time"
)

// run starts the parts, from the inside out, and stops them in reverse when
// ctx ends: no new calls, calls in hand finish, instances end.
func (w *parts) run(ctx context.Context, ln net.Listener, ready func()) error {
	// What serves calls must outlive ctx until they are drained.
	inner, stopInner := context.WithCancel(context.WithoutCancel(ctx))
	defer stopInner()
	var errs collector
	var inside, outside sync.WaitGroup
	inside.Go(func() { errs.add(w.pool.Run(inner)) })
	inside.Go(func() { w.sweepLogs(inner) })
	defer inside.Wait()
	defer stopInner()
	if err := w.control.Load(inner); err != nil {
		return fmt.Errorf("loading functions: %w", err)
	}
	w.observe.Retain(w.exists)
	inside.Go(func() { errs.add(w.keepCalls(inner)) })
	settle()
	outer, stopOuter := context.WithCancelCause(ctx)
	defer stopOuter(nil)
	outside.Go(func() { errs.add(w.control.Run(outer)) })
	called := make(chan struct{}) // closed when no asynchronous call is in hand any more
	outside.Go(func() {
		defer close(called)
		errs.add(w.async.Run(outer))
	})
	outside.Go(func() { errs.add(w.timer.Run(outer)) })
	outside.Go(func() {
		errs.add(w.gateway.Serve(inner, ln))
		stopOuter(errNotServing) // a listener that broke ends the server
	})
	if ln := w.listenMetrics(ctx); ln != nil {
		outside.Go(func() { errs.add(w.serveMetrics(outer, ln)) })
	}
	ready()
	<-outer.Done()
	w.log.Info("stopping", "reason", context.Cause(outer))
	<-called // its calls go through the gateway, which can end them only while it serves
	errs.add(w.drain(inner))
	errs.add(w.faas.Close())
	outside.Wait()
	stopInner()
	inside.Wait()
	return errs.err()
}

var errNotServing = errors.New("the listener does not accept connections any more")

// settle gives back to the host what starting has used and running does not
// need.
func settle() { debug.FreeOSMemory() }

// drain lets the calls in hand finish, for as long as the configuration says.
func (w *parts) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Pool.DrainGrace)
	defer cancel()
	err := w.gateway.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		w.log.Warn("calls were broken off", "after", w.cfg.Pool.DrainGrace)
		return nil
	}
	return err
}

// sweepLogs closes the log files of silent functions, until ctx ends.
func (w *parts) sweepLogs(ctx context.Context) {
	const every = 10 * time.Second
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			if err := w.logs.Sweep(now); err != nil {
				w.log.Warn("tidying logs", "error", err)
			}
		}
	}
}

// collector gathers the errors of several goroutines.
type collector struct {
	mu   sync.Mutex
	errs []error // guarded by mu
}

func (c *collector) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

func (c *collector) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}
