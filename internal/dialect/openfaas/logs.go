package openfaas

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

// writeWait is how long a client may take to read a line.
const writeWait = time.Minute

// logs streams what a function printed, a line at a time. With follow it goes
// on until the client leaves or the function goes.
func logs(c *call) error {
	q, err := c.logQuery()
	if err != nil {
		return statusError{http.StatusUnprocessableEntity, err}
	}
	ref, err := c.function(c.param("name"), "")
	if err != nil {
		return err
	}
	if _, err := c.look(ref); err != nil {
		return err
	}
	out := lines{rc: http.NewResponseController(c.w), enc: json.NewEncoder(c.w)}
	out.enc.SetEscapeHTML(false)
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	c.w.Header().Set("X-Accel-Buffering", "no") // asks proxies in front not to collect
	c.w.WriteHeader(http.StatusOK)
	if err := out.rc.Flush(); err != nil {
		return nil // the client has left
	}
	defer out.end()
	for line, err := range c.Control.Logs(c.r.Context(), ref, q) {
		if err != nil {
			return c.breakOff(err)
		}
		if line.Stream == remarkStream {
			continue // containers have no such lines, and programs read these
		}
		if err := out.send(messageOf(ref, line)); err != nil {
			return nil // the client has left
		}
	}
	return nil
}

// remarkStream is the stream of lines that the platform said.
const remarkStream = "rouse"

func messageOf(ref fn.Ref, l control.LogLine) message {
	return message{
		Name: ref.Name, Namespace: deployment.NamespaceOut(ref.Namespace), Instance: l.Instance, Time: l.Time.UTC(), Text: l.Text + "\n",
	}
}

// breakOff ends a stream so that nobody takes it for a whole one.
func (c *call) breakOff(err error) error {
	if c.r.Context().Err() == nil {
		c.Log.Error("a stream of log lines broke off", "path", c.r.URL.Path, "error", err)
	}
	panic(http.ErrAbortHandler)
}

func (c *call) logQuery() (q control.LogQuery, err error) {
	var ms fn.Mistakes
	q.Instance = c.param("instance")
	q.Follow, _ = strconv.ParseBool(c.param("follow")) // what is no truth is false, as it is there
	if text := c.param("tail"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			ms.Add("tail", "must be a whole number, got %q", clip(text))
		}
		q.Tail = int(max(n, 0))
	}
	if text := c.param("since"); text != "" {
		if q.Since, err = time.Parse(time.RFC3339, text); err != nil {
			ms.Add("since", "must be a time such as 2026-01-31T12:00:00Z, got %q", clip(text))
		}
	}
	return q, errors.Join(ms...)
}

// lines writes a stream of JSON values, each sent at once. A client that does
// not read for writeWait ends it.
type lines struct {
	rc  *http.ResponseController
	enc *json.Encoder
}

func (l *lines) send(v any) error {
	_ = l.rc.SetWriteDeadline(time.Now().Add(writeWait)) // not every writer has deadlines
	if err := l.enc.Encode(v); err != nil {
		return err
	}
	return l.rc.Flush()
}

// end takes back the deadline, for the next request on the connection.
func (l *lines) end() { _ = l.rc.SetWriteDeadline(time.Time{}) }
