package cli

import (
	"io"
	"net/http"
	"strings"

	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
)

// maxRefusal is the most that is read of why a call was not queued.
const maxRefusal = 4 << 10

// queued prints the id of a call that was accepted to be made later, or says
// why it was not. The answer is the platform's: the function has not run.
func (c *cli) queued(ref client.Ref, resp *http.Response) error {
	if resp.StatusCode == http.StatusAccepted {
		id := resp.Header.Get("X-Call-Id")
		return c.print(map[string]string{"callId": id}, func() string { return id + "\n" })
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	why := printable(strings.TrimSpace(string(text)))
	if err != nil || why == "" {
		why = resp.Status
	}
	return fn.Errorf(refusalKind(resp.StatusCode), "queueing a call of %s: %s", full(ref), why)
}

func refusalKind(status int) fn.Kind {
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed:
		return fn.Invalid
	case http.StatusNotFound:
		return fn.NotFound
	case http.StatusRequestEntityTooLarge:
		return fn.TooLarge
	case http.StatusTooManyRequests:
		return fn.Exhausted
	case http.StatusServiceUnavailable:
		return fn.Unavailable
	}
	return fn.Failed
}
