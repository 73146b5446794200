package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Call is a call of a function. The zero value is GET without a body.
type Call struct {
	Method string      // "": GET, or POST if there is a Body
	Path   string      // behind the function's name, with its query: "items/1?full=yes"
	Header http.Header // may be nil
	Body   io.Reader   // may be nil
	Async  bool        // queue the call: the answer is 202 with its X-Call-Id; it is always POST
}

// Invoke calls a function and returns its response, whatever its status; the
// caller closes the body. Where the platform failed the call the error is an
// *api.Error with phase, cause and the function's last output.
func (c *Client) Invoke(ctx context.Context, ref Ref, call Call) (*http.Response, error) {
	route := "function"
	if call.Async {
		route = "async-function"
	}
	if call.Method == "" {
		call.Method = http.MethodGet
		if call.Body != nil || call.Async {
			call.Method = http.MethodPost
		}
	}
	target := c.base.String() + join(route, ref.Name+"."+ref.namespace())
	if call.Path != "" {
		target += "/" + strings.TrimPrefix(call.Path, "/")
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, target, call.Body)
	if err != nil {
		return nil, fmt.Errorf("making a call: %w", err)
	}
	req.Header.Set("User-Agent", c.agent)
	if call.Body != nil {
		if err := measure(req, call.Body); err != nil {
			return nil, err
		}
	}
	for name, values := range call.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("calling %s: %w", ref.Name, err)
	}
	if resp.Header.Get("X-Rouse-Cause") != "" {
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}
