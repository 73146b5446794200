//go:build go1.23

// Package serve is the Go shim: it serves one handler over HTTP/1.1 on
// descriptor 3.
//
// It is copied into a function's own module at build, so it imports the
// standard library only. The build constraint of each file makes it compile in
// modules whose go.mod names an older Go.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

// Main serves handler until SIGTERM, finishes the calls in hand, then exits.
func Main(handler any) {
	h, err := Handler(handler)
	if err == nil {
		err = run(h)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(h http.Handler) error {
	for _, name := range []string{"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} {
		os.Unsetenv(name)
	}
	syscall.CloseOnExec(3)
	file := os.NewFile(3, "http")
	listener, err := net.FileListener(file)
	if err != nil {
		return fmt.Errorf("descriptor 3 is not a listening socket: %w", err)
	}
	file.Close() // the listener has its own copy
	setLogger(os.Stderr)
	server := &http.Server{Handler: h, MaxHeaderBytes: 256 << 10}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	stopped := make(chan error, 1)
	go func() {
		<-term
		stopped <- server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// callContext is a request's context that knows the call. It has no timer of
// its own: at the deadline Rouse closes the connection, which ends the request's
// context.
type callContext struct {
	context.Context
	id       string
	deadline time.Time // zero: none
}

// callKey is the context key of the call's id.
type callKey struct{}

func (c *callContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.id
	}
	return c.Context.Value(key)
}

func (c *callContext) Err() error {
	err := c.Context.Err()
	if err != nil && !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return context.DeadlineExceeded
	}
	return err
}

// withCall gives the request's context the call's id and deadline.
func withCall(r *http.Request) *http.Request {
	c := &callContext{Context: r.Context(), id: r.Header.Get("X-Call-Id")}
	if ms, err := strconv.ParseInt(r.Header.Get("X-Rouse-Deadline"), 10, 64); err == nil {
		c.deadline = time.UnixMilli(ms)
	}
	return r.WithContext(c)
}

// guard answers a panic with 500, or cuts the response off if it has begun.
func guard(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = withCall(r)
		t := &tracker{ResponseWriter: w, body: &body{ReadCloser: r.Body, length: r.ContentLength}}
		r.Body = t.body
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			complain(r.Context(), fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
			if t.began {
				panic(http.ErrAbortHandler)
			}
			fail(w, http.StatusInternalServerError, fmt.Sprint(p), "panic")
		}()
		next(t, r)
	})
}
