package openfaas

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/watchdog/fork"
)

// watchdog is one Run.
type watchdog struct {
	*settings
	hosted   bool     // in an instance of ours: on the platform's socket
	env      []string // what every program gets
	kids     *fork.Children
	log      *logger
	metrics  *metrics     // nil if hosted
	function http.Handler // gets a *recorder
	upstream *upstream    // mode http only
	health   health
	running  atomic.Int64   // requests in the function
	tasks    sync.WaitGroup // what run started
	open     sync.WaitGroup // the door, connections, requests: each adds to it while the one before has
	closed   atomic.Bool    // no more connections
}

// run serves until ctx ends or the function's own server does.
func (w *watchdog) run(ctx context.Context, inherited net.Listener) error {
	d, err := w.listen(inherited)
	if err != nil {
		return err
	}
	defer d.close()
	defer w.tasks.Wait()
	defer w.kids.Stop()
	w.tasks.Go(w.kids.Reap)
	w.health.init()
	if err := w.begin(); err != nil {
		return err
	}
	if w.upstream != nil {
		defer w.upstream.stop()
	}
	w.log.printf("", "Watchdog mode: %s fprocess: %q", w.modeName(), w.argv)
	w.log.printf("", "Timeouts: read: %v write: %v hard: %v health: %v", w.readTimeout, w.writeTimeout, w.execTimeout, w.drainWait)
	return w.serve(ctx, d)
}

// serve answers requests until it has to stop, and then none is left.
func (w *watchdog) serve(ctx context.Context, d *doors) error {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx)) // of the requests, which outlive the order to stop
	hs := w.httpServer(life)
	defer w.open.Wait()
	defer cancel()
	defer func() {
		w.closed.Store(true)
		hs.Close()
	}()
	failed := make(chan error, 3) // one for each of these
	w.tasks.Go(func() { failed <- w.becomeReady(life) })
	w.open.Go(func() { failed <- hs.Serve(d.main) })
	if d.metrics != nil {
		ms := &http.Server{Handler: w.metrics.handler(), ReadTimeout: defaultTimeout, WriteTimeout: defaultTimeout}
		w.tasks.Go(func() { failed <- ms.Serve(d.metrics) })
		defer ms.Close()
	}
	defer w.down()
	for {
		select {
		case err := <-failed:
			if err != nil {
				return fn.Errorf(fn.KindOf(err), "watchdog: %w", err)
			}
		case <-w.upstream.ended():
			return w.upstreamEnded()
		case <-ctx.Done():
			return w.drain(life, hs)
		}
	}
}

func (w *watchdog) upstreamEnded() error {
	return fn.Errorf(fn.Failed, "watchdog: the function's server ended: %w", w.upstream.err())
}

// begin makes what answers requests.
func (w *watchdog) begin() error {
	switch {
	case w.contract == Classic:
		w.function = http.HandlerFunc(w.classic)
	case w.mode == modeHTTP:
		var err error
		if w.upstream, err = w.startUpstream(); err != nil {
			return err
		}
		w.function = newProxy(w)
	case w.mode == modeStatic:
		return w.openStatic()
	case w.mode == modeSerializing:
		w.function = http.HandlerFunc(w.serialize)
	default:
		w.function = http.HandlerFunc(w.stream)
	}
	return nil
}

func (w *watchdog) modeName() string {
	if w.contract == Classic {
		return "classic"
	}
	return w.mode
}

// httpServer is the server of requests. The platform's own connections are
// never closed for being idle: it could be sending a call at that moment.
func (w *watchdog) httpServer(life context.Context) *http.Server {
	hs := &http.Server{
		Handler:                      w,
		ReadTimeout:                  w.readTimeout,
		WriteTimeout:                 w.writeTimeout,
		MaxHeaderBytes:               1 << 20,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is answered when we are ready
		BaseContext:                  func(net.Listener) context.Context { return life },
		ConnState: func(c net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				w.open.Add(1)
				if w.closed.Load() { // net/http took it while it was closing
					c.Close()
				}
			case http.StateClosed, http.StateHijacked:
				w.open.Done()
			}
		},
	}
	if w.hosted {
		hs.IdleTimeout = -1
	}
	return hs
}
