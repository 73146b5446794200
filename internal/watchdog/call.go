package watchdog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// serve runs the program for one request.
func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	_ = rc.EnableFullDuplex() // output may begin before the input ends; HTTP/1.0 cannot
	ctx, cancel := withDeadline(r)
	defer cancel(nil)
	c := &call{server: s, w: w, r: r, rc: rc, cancel: cancel}
	switch err := c.run(ctx); {
	case err == nil:
	case c.began:
		panic(http.ErrAbortHandler) // cut off: the caller must not take it for whole
	default:
		c.fail(err)
	}
}

// withDeadline gives the request's context the call's deadline.
func withDeadline(r *http.Request) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(r.Context())
	ms, err := strconv.ParseInt(r.Header.Get("X-Rouse-Deadline"), 10, 64)
	if err != nil {
		return ctx, cancel
	}
	bounded, stop := context.WithDeadlineCause(ctx, time.UnixMilli(ms), errDeadline)
	return bounded, func(cause error) {
		cancel(cause)
		stop()
	}
}

var (
	errDeadline = errors.New("the deadline of the call passed")
	errGone     = errors.New("the caller left")
)

// call is one request and its program.
type call struct {
	*server
	w      http.ResponseWriter
	r      *http.Request
	rc     *http.ResponseController
	cancel context.CancelCauseFunc
	began  bool        // the response has
	tail   tail        // the program's last words, written by the stderr copier alone until it ended
	fed    atomic.Bool // the program has been given all of the body
	over   atomic.Bool // the program has ended
}

// exitError says how the program failed.
type exitError struct {
	status unix.WaitStatus
	cause  error // why we killed it, nil if we did not
}

func (e *exitError) Error() string {
	switch {
	case e.cause != nil:
		return fmt.Sprintf("the program was stopped: %v", e.cause)
	case e.status.Signaled():
		return fmt.Sprintf("the program was ended by signal: %v", e.status.Signal())
	}
	return fmt.Sprintf("the program ended with exit status %d", e.status.ExitStatus())
}

// run starts the program, moves bytes both ways and waits for everything.
func (c *call) run(ctx context.Context) error {
	p, err := openPipes()
	if err != nil {
		return err
	}
	defer p.closeAll()
	kid, err := c.kids.start(c.program, c.argv, c.requestEnv(), p.child())
	if err != nil {
		return fn.Errorf(fn.Unavailable, "starting %s: %w", c.argv[0], err)
	}
	p.closeChild()
	var copies sync.WaitGroup
	copies.Go(func() { c.feed(p.stdin) })
	copies.Go(func() { c.collect(p.stderr) })
	var end exitError
	ended := make(chan struct{})
	copies.Go(func() {
		defer close(ended)
		end.status = c.kids.wait(ctx, kid)
		end.cause = context.Cause(ctx) // what ends ctx from here on did not end the program
		c.over.Store(true)
		c.hurry(p.stdout)
		c.hurry(p.stderr)
		p.stdin.Close()
		if c.r.ContentLength != 0 && !c.fed.Load() { // unblock feed; costs the connection, whose rest nobody wants
			_ = c.rc.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed one
		}
	})
	err = c.stream(p.stdout)
	if err != nil {
		c.cancel(err)
	}
	<-ended
	copies.Wait()
	if end.status != 0 {
		if end.cause == nil {
			c.log.line(c.id(), end.Error())
		}
		return &end
	}
	if !c.began { // it printed nothing, and that went well
		c.begin()
	}
	return err
}

// feed gives the request's body to the program. A caller that leaves in the
// middle of it ends the call; a program that does not read it does not.
func (c *call) feed(stdin *os.File) {
	defer stdin.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := c.r.Body.Read(buf)
		if _, werr := stdin.Write(buf[:n]); werr != nil {
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			c.fed.Store(true)
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			return
		case err != nil:
			c.cancel(errGone)
			return
		}
	}
}

// hurry bounds the next wait for output once the program has ended. Each
// reader calls it before a read: its own time, spent on a slow caller, must
// not count.
func (c *call) hurry(f *os.File) {
	if c.over.Load() {
		_ = f.SetReadDeadline(time.Now().Add(linger)) // pipes have deadlines
	}
}

// stream sends what the program prints, as it prints it.
func (c *call) stream(stdout *os.File) error {
	buf := make([]byte, 32<<10)
	for {
		c.hurry(stdout)
		n, err := stdout.Read(buf)
		if n > 0 {
			c.begin()
			if _, werr := c.w.Write(buf[:n]); werr != nil {
				return errGone
			}
			if ferr := c.rc.Flush(); ferr != nil {
				return errGone
			}
		}
		if err != nil { // the end, or no more waiting for it
			return nil //nolint:nilerr // how the program ended tells
		}
	}
}

func (c *call) begin() {
	if c.began {
		return
	}
	c.began = true
	c.settle()
	if c.contentType != "" {
		c.w.Header().Set("Content-Type", c.contentType)
	}
	c.w.WriteHeader(http.StatusOK)
}

// settle comes before the response's head. A connection whose request has not
// been read to its end is not used again: net/http could take the rest for
// the next request.
func (c *call) settle() {
	if c.r.ContentLength != 0 && !c.fed.Load() {
		c.w.Header().Set("Connection", "close")
	}
}

// fail answers a call whose program printed nothing.
func (c *call) fail(err error) {
	status := http.StatusInternalServerError
	body := map[string]any{"error": err.Error(), "type": "start"}
	if e, ok := errors.AsType[*exitError](err); ok {
		body["type"], body["output"] = "exit", c.tail.lines()
		switch {
		case errors.Is(e.cause, errDeadline):
			status, body["type"] = http.StatusGatewayTimeout, "deadline"
		case e.cause == nil && e.status.Exited():
			body["exit"] = e.status.ExitStatus()
		}
	}
	c.settle()
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(body) // fails only when the caller left
}

func (c *call) id() string { return c.r.Header.Get("X-Call-Id") }
