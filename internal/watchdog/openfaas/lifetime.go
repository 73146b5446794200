package openfaas

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// health says whether requests are welcome.
type health struct {
	up    atomic.Bool
	ready chan struct{} // closed when the function can answer for the first time
}

func (h *health) init() { h.ready = make(chan struct{}) }

// becomeReady waits until the function can answer: at once, but for mode http
// whose server has to listen first. Then the lock file says so too.
func (w *watchdog) becomeReady() error {
	if w.upstream != nil && !w.upstream.awaitListening(w.lifetime, w.settings.upstream) {
		return nil // we are ending, and somebody says why
	}
	if w.lock == "" {
		w.log.printf("", `Warning: "suppress_lock" is set: nothing checks the health of the function by file`)
	} else if err := writeLock(w.lock); err != nil {
		return fn.WithHint(fn.Errorf(fn.Unavailable, "writing the lock file: %w", err), "set suppress_lock=true if there is no folder to write to")
	}
	w.health.up.Store(true)
	close(w.health.ready)
	return nil
}

func writeLock(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, nil, 0o660)
}

func lockThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// down says that no more requests are welcome.
func (w *watchdog) down() {
	if w.health.up.Swap(false) && w.lock != "" {
		if err := os.Remove(w.lock); err != nil {
			w.log.printf("", "Removing the lock file: %v", err)
		}
	}
}

// drain is what SIGTERM asks for. Those who send requests see for
// healthcheck_interval that we are going; the platform we are hosted by has
// stopped sending before it asks. Then requests have write_timeout to end.
func (w *watchdog) drain(hs *http.Server) error {
	if w.down(); !w.hosted {
		w.log.printf("", "SIGTERM: no new connections in %v", w.drainWait)
		t := time.NewTimer(w.drainWait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-w.upstream.ended():
			return fn.Errorf(fn.Failed, "watchdog: the function's server ended: %w", w.upstream.err())
		}
	}
	w.log.printf("", "No new connections allowed, draining: %d requests", w.running.Load())
	ctx, cancel := context.WithTimeout(w.lifetime, w.writeTimeout)
	defer cancel()
	if err := hs.Shutdown(ctx); err == nil {
		w.awaitUpgraded(ctx)
	}
	w.log.printf("", "Exiting. Active connections: %d", w.running.Load())
	return nil
}

// awaitUpgraded waits for connections that net/http knows no longer.
func (w *watchdog) awaitUpgraded(ctx context.Context) {
	done := make(chan struct{})
	w.tasks.Go(func() { // ends with the last request: run waits for the same
		w.open.Wait()
		close(done)
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
}
