package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rouse.dev/rouse/internal/wire"
)

// Server serves one listener. Make it with New, run it with Serve.
type Server struct {
	cfg    Config
	domain string    // "." and the configured domain, in lower case
	epoch  time.Time // zero of the server's clock
	web    *http.Server

	conns    registry[*conn]
	webs     registry[*web] // calls in net/http's hands
	handover *handover
	calls    sync.Pool // of *call
	tasks    sync.WaitGroup
	dates    atomic.Pointer[date]

	draining atomic.Bool   // set by Shutdown, never reset
	done     chan struct{} // closed when Serve has returned

	mu   sync.Mutex
	ln   net.Listener            // guarded by mu; nil before Serve
	hard context.CancelCauseFunc // guarded by mu; ends every call
}

// New makes a server. Nothing happens until Serve.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg.withDefaults(), epoch: time.Now(), done: make(chan struct{})}
	if cfg.Domain != "" {
		s.domain = "." + strings.ToLower(strings.Trim(cfg.Domain, "."))
	}
	s.handover = newHandover()
	s.calls.New = func() any { return &call{s: s, upload: make(chan error, 1)} }
	s.web = s.newWeb()
	s.conns.wake = make(chan struct{}, 1)
	s.webs.wake = s.conns.wake
	return s
}

// now is the server's clock: ns since its epoch, never going back.
func (s *Server) now() int64 { return int64(time.Since(s.epoch)) }

// Serve accepts connections of ln until Shutdown, or until ctx ends, which
// breaks off every call. It returns when all it started has ended; nil, or
// why it could not accept. It is called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	defer close(s.done)
	calls, hard := context.WithCancelCause(context.WithoutCancel(ctx)) // calls outlive ctx until they are told why
	defer hard(nil)
	s.mu.Lock()
	s.ln, s.hard = ln, hard
	if s.draining.Load() {
		_ = ln.Close()
	}
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.stopAll)
	defer stop()

	var helpers sync.WaitGroup
	ended := make(chan struct{})
	helpers.Go(func() { s.sweep(ended) })
	helpers.Go(func() { _ = s.web.Serve(s.handover) })
	err := s.accept(calls, ln)
	s.conns.waitEmpty(nil)
	s.tasks.Wait()
	_ = s.web.Close()
	close(ended)
	helpers.Wait()
	return err
}

// accept starts a goroutine for each connection.
func (s *Server) accept(ctx context.Context, ln net.Listener) error {
	var pause time.Duration
	for {
		if !s.conns.waitBelow(s.cfg.MaxConnections, ctx.Done()) {
			return nil
		}
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.start(ctx, nc)
		case s.draining.Load() || ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // out of descriptors, most likely: others may close theirs
			s.cfg.Log.Warn("accepting a connection", "error", err)
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			t := time.NewTimer(pause)
			select {
			case <-t.C:
			case <-ctx.Done():
			}
			t.Stop()
		}
	}
}

func (s *Server) start(ctx context.Context, nc net.Conn) {
	c := &conn{s: s, wc: wire.NewConn(nc), from: newOrigin(s, nc.RemoteAddr())}
	c.since.Store(s.now())
	s.conns.add(c)
	s.tasks.Go(func() { c.serve(ctx) })
}

// Shutdown stops accepting, closes idle connections and waits for calls in
// progress; those that still run when ctx ends are broken off, and ctx's
// error is returned. It returns after Serve's work has ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.mu.Lock()
	started := s.ln != nil
	if started {
		_ = s.ln.Close()
	}
	s.mu.Unlock()
	if !started {
		return nil
	}
	for c := range s.conns.all() {
		if c.state.CompareAndSwap(int32(idle), int32(closed)) {
			_ = c.wc.Close()
		}
	}
	var web sync.WaitGroup
	web.Go(func() { _ = s.web.Shutdown(ctx) })
	defer web.Wait()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	s.stopAll()
	<-s.done
	return ctx.Err()
}

// stopAll breaks off every call and closes every connection.
func (s *Server) stopAll() {
	s.draining.Store(true)
	s.mu.Lock()
	ln, hard := s.ln, s.hard
	s.mu.Unlock()
	_ = ln.Close()
	hard(shuttingDown())
	for w := range s.webs.all() {
		w.x.guard.stop(shuttingDown())
	}
	for c := range s.conns.all() {
		c.stop()
	}
}

// stop breaks the connection off: a call gets to say so, anything else is
// closed.
func (c *conn) stop() {
	if g := c.guard.Load(); g != nil {
		g.stop(shuttingDown())
		return
	}
	_ = c.wc.Close()
}

// date is the value of a Date field for one second.
type date struct {
	second int64 // on the server's clock
	text   []byte
}

// date returns the value of a Date field for a moment on the server's clock.
func (s *Server) date(at int64) []byte {
	second := at / int64(time.Second)
	if d := s.dates.Load(); d != nil && d.second == second {
		return d.text
	}
	text := s.epoch.Add(time.Duration(at)).UTC().AppendFormat(nil, http.TimeFormat)
	s.dates.Store(&date{second, text})
	return text
}
