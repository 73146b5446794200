package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
)

// call is what the flags of invoke say.
type call struct {
	data, method, path string
	headers, query     []string
	media              string // Content-Type, unless headers have one
	hasData            bool
	include, timing    bool
	async              bool
	sign               signing
}

func (c *cli) invokeCommand() *cobra.Command {
	var namespace string
	var in call
	cmd := &cobra.Command{
		Use:   "invoke NAME",
		Short: "Call a function",
		Long: `Call a function and print what it answers as it comes. The body is what -d says,
else what is piped in. A status of 400 or more ends with exit code ` + fmt.Sprint(fn.ExitCode(fn.Failed)) + `; an error the
platform made says in which phase and why.`,
		Example: "  rouse invoke fib -d 10\n  rouse invoke thumbnail -d @photo.png > small.png\n" +
			"  echo hello | rouse invoke upper\n  rouse invoke shop -X DELETE --path items/1 -H 'X-Reason: test' --timing\n" +
			"  rouse invoke hook -d @event.json --content-type application/json --sign X-Hub-Signature-256 --key-file key\n  rouse invoke report --async -d today",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeFunctions,
		RunE: c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			in.hasData = cmd.Flags().Changed("data")
			return c.invoke(cmd, cl, ref, in)
		}),
	}
	c.namespaceFlag(cmd, &namespace)
	f := cmd.Flags()
	f.StringVarP(&in.data, "data", "d", "", "body: text, @FILE, or - for standard input")
	f.StringArrayVarP(&in.headers, "header", "H", nil, "header, 'Name: value'; may be given several times")
	f.StringVarP(&in.method, "method", "X", "", "method (default: GET, or POST with a body)")
	f.StringVar(&in.path, "path", "", "path behind the function's name, with its query")
	f.StringArrayVar(&in.query, "query", nil, "part of the query, name=value; may be given several times")
	f.StringVar(&in.media, "content-type", "", "the same as -H 'Content-Type: …'")
	f.BoolVar(&in.async, "async", false, "queue the call and print its id instead of waiting for the answer")
	in.sign.flags(cmd)
	f.BoolVarP(&in.include, "include", "i", false, "print the status and headers too")
	f.BoolVar(&in.timing, "timing", false, "say how long it took, to standard error")
	return cmd
}

func (c *cli) invoke(cmd *cobra.Command, cl *client.Client, ref client.Ref, in call) error {
	header, err := parseHeaders(in.headers)
	if err != nil {
		return err
	}
	if in.media != "" && header.Get("Content-Type") == "" {
		header.Set("Content-Type", in.media)
	}
	if in.path, err = withQuery(in.path, in.query); err != nil {
		return err
	}
	if in.sign.keyFile == "-" && (!in.hasData || in.data == "-" || in.data == "@-") {
		return usage(fn.Errorf(fn.Invalid, "standard input cannot be the key and the body: give the body with -d"))
	}
	body, err := c.body(cmd.Context(), in)
	if err != nil {
		return err
	}
	if f, ok := body.(*os.File); ok && body != c.In {
		defer f.Close()
	}
	if body, err = c.signed(in.sign, header, body); err != nil {
		return err
	}
	began := time.Now()
	var resp *http.Response
	err = c.during("calling "+full(ref), func() (err error) {
		resp, err = cl.Invoke(cmd.Context(), ref, client.Call{Method: in.method, Path: in.path, Header: header, Body: body, Async: in.async})
		return err
	})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	first := time.Since(began)
	if in.include {
		if err := c.say(head(resp)); err != nil {
			return err
		}
	}
	if in.async {
		return c.queued(ref, resp)
	}
	out := &lastByte{w: c.Out}
	n, err := io.Copy(out, resp.Body)
	if in.timing {
		c.timing(resp, n, first, time.Since(began))
	}
	if err != nil {
		return fmt.Errorf("receiving the answer of %s: %w", full(ref), err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		if c.OutTerminal && n > 0 && out.b != '\n' {
			c.note("") // what is said next begins a line
		}
		return fn.WithHint(fn.Errorf(fn.Failed, "%s answered %s", full(ref), resp.Status),
			"this is the function's own answer; rouse logs %s --call %s shows what it printed", full(ref), resp.Header.Get("X-Call-Id"))
	}
	return nil
}

// lastByte passes bytes on and remembers the last.
type lastByte struct {
	w io.Writer
	b byte
}

func (l *lastByte) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	if n > 0 {
		l.b = p[n-1]
	}
	return n, err
}

// withQuery adds parts to a path's query.
func withQuery(path string, parts []string) (string, error) {
	var wrong fn.Mistakes
	for _, kv := range parts {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			wrong.Add("--query "+kv, "is not name=value")
			continue
		}
		sign := "?"
		if strings.Contains(path, "?") {
			sign = "&"
		}
		path += sign + url.QueryEscape(name) + "=" + url.QueryEscape(value)
	}
	if err := wrong.Err(); err != nil {
		return "", usage(err)
	}
	return path, nil
}

// body opens what is to be sent; nil if that is nothing.
func (c *cli) body(ctx context.Context, in call) (io.Reader, error) {
	switch {
	case !in.hasData && c.InData && !slices.Contains([]string{http.MethodGet, http.MethodHead}, in.method):
		return c.piped(ctx)
	case !in.hasData:
		return nil, nil
	case in.data == "-" || in.data == "@-":
		return c.In, nil
	case strings.HasPrefix(in.data, "@"):
		return c.open(in.data[1:])
	}
	return strings.NewReader(in.data), nil
}

// piped returns what is piped in, or nil if that ends before it has begun. A
// pipe that stays open and silent is remarked upon, as one may not know of it.
func (c *cli) piped(ctx context.Context) (io.Reader, error) {
	begun := make(chan error, 1)
	first := make([]byte, 1)
	go func() { // a read of standard input cannot be called off: it ends with the process
		_, err := io.ReadFull(c.In, first)
		begun <- err
	}()
	remark := time.NewTimer(patience)
	defer remark.Stop()
	for {
		select {
		case err := <-begun:
			if errors.Is(err, io.EOF) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("reading standard input: %w", err)
			}
			return io.MultiReader(bytes.NewReader(first), c.In), nil
		case <-remark.C:
			c.note("waiting for standard input; -d '' sends nothing")
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func parseHeaders(lines []string) (http.Header, error) {
	h := http.Header{}
	var errs []error
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t\r\n") || strings.ContainsAny(value, "\r\n") {
			errs = append(errs, fn.Mistake{Field: "--header", Reason: fmt.Sprintf("%q is not 'Name: value'", line)})
			continue
		}
		h.Add(name, strings.TrimSpace(value))
	}
	if len(errs) > 0 {
		return nil, usage(errors.Join(errs...))
	}
	return h, nil
}

// head writes status and headers in order of name.
func head(resp *http.Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", resp.Proto, resp.Status)
	var lines []string
	for name, values := range resp.Header {
		for _, v := range values {
			lines = append(lines, name+": "+printable(v)+"\n")
		}
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, "") + "\n")
	return b.String()
}

// timing says how long a call took, and what the platform tells of it.
func (c *cli) timing(resp *http.Response, n int64, first, total time.Duration) {
	c.note("\n%s · first byte after %s · %s in %s · call %s", resp.Status, precise(first), roughly(n), precise(total), orDash(resp.Header.Get("X-Call-Id")))
	if phases := cmp.Or(resp.Header.Get("X-Rouse-Start"), resp.Header.Get("X-Rouse-Timing")); phases != "" {
		c.note("start: %s", printable(phases))
	}
}

func precise(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
