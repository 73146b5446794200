package watchdog

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/watchdog/fork"
)

// serve runs the program for one request.
func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	ctx, stop := withDeadline(r)
	defer stop()
	c := &call{server: s, w: w, r: r, rc: http.NewResponseController(w), body: fork.NewBody(w, r)}
	switch err := c.run(ctx); {
	case err == nil:
	case c.began:
		panic(http.ErrAbortHandler) // cut off: the caller must not take it for whole
	default:
		c.fail(err)
	}
}

var errDeadline = errors.New("the deadline of the call passed")

// withDeadline gives the request's context the call's deadline.
func withDeadline(r *http.Request) (context.Context, context.CancelFunc) {
	ms, err := strconv.ParseInt(r.Header.Get("X-Rouse-Deadline"), 10, 64)
	if err != nil {
		return r.Context(), func() {}
	}
	return context.WithDeadlineCause(r.Context(), time.UnixMilli(ms), errDeadline)
}

// call is one request and its program.
type call struct {
	*server
	w     http.ResponseWriter
	r     *http.Request
	rc    *http.ResponseController
	body  *fork.Body
	began bool     // the response has
	words []string // the program's last ones
}

func (c *call) run(ctx context.Context) error {
	said := newStderr(func(line string) { c.log.Line(c.id(), line) })
	err := c.kids.Run(ctx, fork.Job{
		Program: c.program, Argv: c.argv, Env: c.requestEnv(),
		Stdin: c.body, Interrupt: c.body.Interrupt, Stdout: c.send, Stderr: said,
	})
	said.lines.Flush()
	c.words = said.tail
	if e, ok := errors.AsType[*fork.Exit](err); ok && e.Cause == nil {
		c.log.Line(c.id(), e.Error())
	}
	if err == nil && !c.began { // it printed nothing, and that went well
		c.begin()
	}
	return err
}

// send passes on what the program prints.
func (c *call) send(piece []byte) error {
	c.begin()
	if _, err := c.w.Write(piece); err != nil {
		return err
	}
	return c.rc.Flush()
}

func (c *call) begin() {
	if c.began {
		return
	}
	c.began = true
	c.body.Settle(c.w.Header())
	if c.contentType != "" {
		c.w.Header().Set("Content-Type", c.contentType)
	}
	c.w.WriteHeader(http.StatusOK)
}

// fail answers a call whose program printed nothing.
func (c *call) fail(err error) {
	status := http.StatusInternalServerError
	body := map[string]any{"error": err.Error(), "type": "start"}
	if e, ok := errors.AsType[*fork.Exit](err); ok {
		body["type"], body["output"] = "exit", c.words
		switch {
		case errors.Is(e.Cause, errDeadline):
			status, body["type"] = http.StatusGatewayTimeout, "deadline"
		case e.Cause == nil && e.Status.Exited():
			body["exit"] = e.Status.ExitStatus()
		}
	}
	c.body.Settle(c.w.Header())
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(body) // fails only when the caller left
}

func (c *call) id() string { return c.r.Header.Get("X-Call-Id") }
