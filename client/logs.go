package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"rouse.dev/rouse/api"
)

// LogOptions selects log lines. The zero value is everything kept.
type LogOptions struct {
	Follow bool      // go on with new lines until ctx ends or the function is removed
	Since  time.Time // zero: from the oldest kept
	Tail   int       // at most that many of the lines there are; 0: all; negative: none
	Call   string    // only lines of that call id
}

func (o LogOptions) query() url.Values {
	q := url.Values{}
	if o.Follow {
		q.Set("follow", "true")
	}
	if !o.Since.IsZero() {
		q.Set("since", o.Since.Format(time.RFC3339Nano))
	}
	if o.Tail != 0 {
		q.Set("tail", strconv.Itoa(o.Tail))
	}
	if o.Call != "" {
		q.Set("call", o.Call)
	}
	return q
}

// BuildOutput opens what the last build of a function printed, as text. The
// function need not be there: its first build may have failed. The caller
// closes it.
func (c *Client) BuildOutput(ctx context.Context, ref Ref) (io.ReadCloser, error) {
	resp, err := c.send(ctx, http.MethodGet, ref.path("build"), nil, nil, "")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// Logs yields what a function printed, in order of time. It yields an error
// last, or none; ctx ending is one. The request is made when the sequence is
// ranged over and ended when the loop is left.
func (c *Client) Logs(ctx context.Context, ref Ref, o LogOptions) iter.Seq2[api.LogLine, error] {
	return func(yield func(api.LogLine, error) bool) {
		resp, err := c.send(ctx, http.MethodGet, ref.path("logs"), o.query(), nil, "")
		if err != nil {
			yield(api.LogLine{}, err)
			return
		}
		defer resp.Body.Close()
		dec := json.NewDecoder(resp.Body)
		for {
			e := api.LogEvent{LogLine: &api.LogLine{}}
			switch err := dec.Decode(&e); {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(api.LogLine{}, fmt.Errorf("following the log: %w", err))
				return
			case e.Error != nil:
				yield(api.LogLine{}, e.Error)
				return
			case !yield(*e.LogLine, nil):
				return
			}
		}
	}
}
