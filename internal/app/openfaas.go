package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/dialect/openfaas"
)

// newOpenFaaS makes what answers OpenFaaS's clients.
func (w *parts) newOpenFaaS(who *auth.Checker, metrics http.Handler) *openfaas.API {
	return openfaas.New(openfaas.Config{
		Control: w.control, Secrets: w.control, Calls: w.observe, Identify: who.Identify, Log: w.part("openfaas"),
		Metrics: metrics, Public: w.cfg.Metrics.Public, Count: w.observe.HTTP().Wrap,
	})
}

// doors hands each request to the dialect it is for; the native API also says
// of the rest that it is not there.
func doors(faas *openfaas.API, native http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if faas.Owns(r) {
			faas.ServeHTTP(w, r)
			return
		}
		native.ServeHTTP(w, r)
	})
}

// listenMetrics opens the second listener; nil if there is to be none. One that
// cannot be had is no reason not to serve: it is there for habit's sake.
func (w *parts) listenMetrics(ctx context.Context) net.Listener {
	addr := w.cfg.OpenFaaS.MetricsListen
	if addr == "" || addr == conf.Off {
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		w.log.Warn("metrics are served on the API's port only", "setting", "openfaas.metricsListen", "error", err)
		return nil
	}
	return ln
}

// byAddress serves requests that name this host by its address, or as
// localhost: all that reach a loopback listener in good faith. Metrics need no account here: a web page whose own name was made
// to point at this host must not read them through somebody's browser.
func byAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && host != "localhost" {
			http.Error(w, "name this listener by its address: http://127.0.0.1:8082/metrics", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveMetrics answers on the second listener until ctx ends.
func (w *parts) serveMetrics(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", w.faas)
	mux.Handle("/healthz", w.faas)
	handler := http.Handler(mux)
	if a, ok := ln.Addr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
		handler = byAddress(handler)
	}
	s := &http.Server{
		Handler: handler, ReadHeaderTimeout: w.cfg.Gateway.HeadTimeout, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: w.cfg.Gateway.IdleTimeout, ErrorLog: slog.NewLogLogger(w.part("metrics").Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
