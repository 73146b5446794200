package openfaas

import (
	"context"
	"fmt"
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
	running  atomic.Int64    // requests in the function
	tasks    sync.WaitGroup  // what run started
	open     sync.WaitGroup  // connections and requests; a request adds to it while its connection has
	lifetime context.Context // of the requests; ends when they have had their time
}

// run serves until ctx ends or the function's own server does.
func (w *watchdog) run(ctx context.Context, inherited net.Listener) error {
	doors, err := w.listen(inherited)
	if err != nil {
		return err
	}
	defer doors.close()
	defer w.tasks.Wait()
	defer w.kids.Stop()
	w.tasks.Go(w.kids.Reap)

	var cancel context.CancelFunc
	w.lifetime, cancel = context.WithCancel(context.WithoutCancel(ctx)) // requests outlive the order to stop
	defer cancel()
	w.health.init()
	if err := w.begin(); err != nil {
		return err
	}
	if w.upstream != nil {
		defer w.upstream.stop()
	}
	failed := make(chan error, 4)
	w.tasks.Go(func() { failed <- w.becomeReady() })
	hs := w.httpServer()
	w.tasks.Go(func() { failed <- hs.Serve(doors.main) })
	if doors.metrics != nil {
		ms := &http.Server{Handler: w.metrics.handler(), ReadTimeout: defaultTimeout, WriteTimeout: defaultTimeout}
		w.tasks.Go(func() { failed <- ms.Serve(doors.metrics) })
		defer ms.Close()
	}
	w.log.printf("", "Watchdog mode: %s fprocess: %q", w.modeName(), w.argv)
	w.log.printf("", "Timeouts: read: %v write: %v hard: %v health: %v", w.readTimeout, w.writeTimeout, w.execTimeout, w.drainWait)
	defer w.open.Wait()
	defer cancel()
	defer hs.Close()
	return w.until(ctx, hs, failed)
}

// until waits for whatever comes first and drains if it is the order to stop.
func (w *watchdog) until(ctx context.Context, hs *http.Server, failed <-chan error) error {
	defer w.down()
	for {
		select {
		case err := <-failed:
			if err != nil {
				return fn.Errorf(fn.KindOf(err), "watchdog: %w", err)
			}
		case <-w.upstream.ended():
			return fn.Errorf(fn.Failed, "watchdog: the function's server ended: %w", w.upstream.err())
		case <-ctx.Done():
			return w.drain(hs)
		}
	}
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
func (w *watchdog) httpServer() *http.Server {
	hs := &http.Server{
		Handler:                      w,
		ReadTimeout:                  w.readTimeout,
		WriteTimeout:                 w.writeTimeout,
		MaxHeaderBytes:               1 << 20,
		DisableGeneralOptionsHandler: true, // "OPTIONS *" is answered when we are ready
		BaseContext:                  func(net.Listener) context.Context { return w.lifetime },
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				w.open.Add(1)
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

// doors are the sockets of one watchdog.
type doors struct{ main, metrics net.Listener }

// listen opens what the place we run in calls for: the platform's socket, or
// two of our own.
func (w *watchdog) listen(inherited net.Listener) (*doors, error) {
	if inherited != nil {
		return &doors{main: inherited}, nil
	}
	main, err := net.Listen("tcp", fmt.Sprintf(":%d", w.port))
	if err != nil {
		return nil, fn.Errorf(fn.Unavailable, "watchdog: %w", err)
	}
	side, err := net.Listen("tcp", fmt.Sprintf(":%d", w.metricsPort))
	if err != nil {
		main.Close()
		return nil, fn.Errorf(fn.Unavailable, "watchdog: metrics: %w", err)
	}
	w.metrics = newMetrics()
	w.log.printf("", "Listening on port: %d", w.port)
	return &doors{main, side}, nil
}

func (d *doors) close() {
	d.main.Close()
	if d.metrics != nil {
		d.metrics.Close()
	}
}
