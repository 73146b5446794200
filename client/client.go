package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultNamespace is where functions are when nothing else is said.
const DefaultNamespace = "default"

const jsonType = "application/json"

// Client speaks to one server.
type Client struct {
	base           *url.URL // never changed after New
	http           *http.Client
	user, password string
	agent          string
}

// Option changes a Client made by New.
type Option func(*Client)

// WithPassword sends an account's name and password with every management
// request. Calls of functions never carry them.
func WithPassword(user, password string) Option {
	return func(c *Client) { c.user, c.password = user, password }
}

// WithTransport sets how requests are sent; by default over a transport of
// this Client's own.
func WithTransport(rt http.RoundTripper) Option {
	return func(c *Client) { c.http.Transport = rt }
}

// WithUserAgent sets the User-Agent header; "rouse-client" by default.
func WithUserAgent(agent string) Option {
	return func(c *Client) { c.agent = agent }
}

// New makes a client of the server at base, such as
// "http://127.0.0.1:8080"; a user and password in it count as WithPassword. It
// sends nothing yet.
func New(base string, options ...Option) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the URL of a server, such as http://127.0.0.1:8080", base)
	}
	u.Path, u.RawQuery, u.Fragment = strings.TrimRight(u.Path, "/"), "", ""
	c := &Client{base: u, agent: "rouse-client", http: &http.Client{
		// A function's redirect is its answer; the API never redirects.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if u.User != nil {
		c.user = u.User.Username()
		c.password, _ = u.User.Password()
		u.User = nil // or calls of functions would carry it
	}
	for _, o := range options {
		o(c)
	}
	if c.http.Transport == nil {
		c.http.Transport = &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   true,
			DisableCompression:  true, // what a function answers is passed on as it is

			ExpectContinueTimeout: 2 * time.Second,
		}
	}
	return c, nil
}

// URL returns the server's address.
func (c *Client) URL() string { return c.base.String() }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ref names a function. An empty Namespace is DefaultNamespace.
type Ref struct{ Namespace, Name string }

// path is the function's place in the API.
func (r Ref) path(parts ...string) string {
	return join(append([]string{"v1", "namespaces", r.namespace(), "functions", r.Name}, parts...)...)
}

func (r Ref) namespace() string {
	if r.Namespace == "" {
		return DefaultNamespace
	}
	return r.Namespace
}

// join makes a path of escaped parts.
func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

// send makes a management request and returns its answer if that is not an
// error; the caller closes the body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body io.Reader, media string) (*http.Response, error) {
	target := c.base.String() + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("User-Agent", c.agent)
	if body != nil {
		if err := measure(req, body); err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", media)
		if media != jsonType {
			req.Header.Set("Expect", "100-continue") // so that a refusal comes before the upload
		}
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the server: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}

// measure sets the length of a body that is a file, so that the server can
// refuse too large a one before it is sent, and keeps the file open.
func measure(req *http.Request, body io.Reader) error {
	seeker, ok := body.(io.Seeker)
	if !ok || req.ContentLength > 0 {
		return nil
	}
	at, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil // a pipe: its length is not known
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	if _, err := seeker.Seek(at, io.SeekStart); err != nil {
		return fmt.Errorf("reading what is to be sent: %w", err)
	}
	req.Body, req.ContentLength = io.NopCloser(body), end-at
	return nil
}

// ask sends in (nil: no body) as JSON and decodes the answer into out (nil:
// ignored).
func (c *Client) ask(ctx context.Context, method, path string, query url.Values, in, out any) error {
	body, err := jsonBody(in)
	if err != nil {
		return err
	}
	resp, err := c.send(ctx, method, path, query, body, jsonType)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

func jsonBody(in any) (io.Reader, error) {
	if in == nil {
		return nil, nil
	}
	text, err := json.Marshal(in)
	if err != nil {
		return nil, fmt.Errorf("writing a request: %w", err)
	}
	return bytes.NewReader(text), nil
}
