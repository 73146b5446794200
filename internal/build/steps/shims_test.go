package steps

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/build/source"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/templates"
)

var searched = []string{"/usr/local/bin", "/usr/bin", "/bin"}

func newBuilder(t testing.TB, change func(*Config)) *Builder {
	t.Helper()
	dir := t.TempDir()
	set, err := runtimes.Load(templates.FS, "", searched)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Runtimes: set, Runner: &direct{}, Env: toolEnv(),
		Work: filepath.Join(dir, "work"), Caches: filepath.Join(dir, "caches"), Artifacts: filepath.Join(dir, "artifacts"),
	}
	if change != nil {
		change(&cfg)
	}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// toolEnv is what the tools need to reach package mirrors, if this machine
// has any.
func toolEnv() map[string]string {
	env := map[string]string{}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "PIP_INDEX_URL", "PIP_CERT", "NPM_CONFIG_REGISTRY", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"} {
		if v, ok := os.LookupEnv(name); ok {
			env[name] = v
		}
	}
	return env
}

// need skips a test whose tool this machine lacks.
func need(t testing.TB, b *Builder, runtime string) {
	t.Helper()
	r, err := b.cfg.Runtimes.Get(runtime)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range b.cfg.Runtimes.Missing(r) {
		t.Skipf("this machine has no %s: install the package %s", q.Program, q.Package)
	}
}

// request describes a folder.
func request(t testing.TB, dir string, spec fn.Spec) build.Request {
	t.Helper()
	digest, _, err := source.Digest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return build.Request{Ref: fn.Ref{Namespace: "default", Name: "f"}, Spec: spec, Source: dir, SourceDigest: digest}
}

func mustBuild(t testing.TB, b *Builder, req build.Request) (fn.Artifact, string) {
	t.Helper()
	a, err := b.Build(t.Context(), req, func(e build.Event) { t.Logf("%s: %s", e.Step, e.Line) })
	if err != nil {
		t.Fatal(err)
	}
	return a, filepath.Join(b.cfg.Artifacts, strings.TrimPrefix(a.Digest, "sha256:"))
}

// serve builds and starts a function and returns a client for it.
func serve(t testing.TB, b *Builder, req build.Request) (*instance, *http.Client) {
	t.Helper()
	a, root := mustBuild(t, b, req)
	i, err := launch(root, a.Program, filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return i.dial(ctx) }}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = i.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := i.cmd.Wait(); err != nil && !t.Failed() && err.Error() != "exec: Wait was already called" {
			t.Errorf("the instance ended with %v\n%s", err, i.output)
		}
	})
	return i, &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func fetch(t testing.TB, c *http.Client, method, path string, body io.Reader, headers ...string) (*http.Response, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://f"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, string(text), err
}

// languages are the folders of testdata that answer the same requests.
var languages = map[string]string{
	"python": "python", "python-async": "python", "node": "node", "node-esm": "node", "ruby": "ruby", "go": "go",
}

func TestShims(t *testing.T) {
	b := newBuilder(t, nil)
	for _, folder := range slices.Sorted(maps.Keys(languages)) {
		t.Run(folder, func(t *testing.T) {
			need(t, b, languages[folder])
			i, c := serve(t, b, request(t, filepath.Join("testdata", folder), fn.Spec{Runtime: languages[folder]}))
			t.Run("answers", func(t *testing.T) { testAnswers(t, c) })
			t.Run("streams", func(t *testing.T) { testStreams(t, i, c) })
			t.Run("fails", func(t *testing.T) { testFails(t, i, c) })
			t.Run("wire", func(t *testing.T) { testWire(t, i) })
			t.Run("many", func(t *testing.T) { testMany(t, c) })
			t.Run("stops", func(t *testing.T) { testStops(t, i, c) })
		})
	}
}

func testAnswers(t *testing.T, c *http.Client) {
	if res, text, err := fetch(t, c, "GET", "/", nil); text != "hello\n" || res.StatusCode != 200 || err != nil ||
		!strings.HasPrefix(strings.ToLower(res.Header.Get("Content-Type")), "text/plain") {
		t.Errorf("got %d %q %v %v", res.StatusCode, text, res.Header, err)
	}
	deadline := strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10)
	_, text, _ := fetch(t, c, "PATCH", "/json?x=1&a=b%20c%2B", strings.NewReader("ignored"),
		"X-Test", "tested", "X-Call-Id", "call-1", "X-Rouse-Deadline", deadline)
	var got map[string]any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	want := map[string]any{"method": "PATCH", "path": "/json", "a": "b c+", "header": "tested", "call": "call-1", "function": "f", "left": true}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	res, text, _ := fetch(t, c, "POST", "/status", nil)
	if res.StatusCode != 201 || text != "made\n" || res.Header.Get("X-Made") != "yes" || res.Header.Get("Content-Type") != "text/x-made" {
		t.Errorf("got %d %q %v", res.StatusCode, text, res.Header)
	}
	if res, text, _ := fetch(t, c, "GET", "/none", nil); res.StatusCode != 200 || text != "" {
		t.Errorf("nothing: got %d %q", res.StatusCode, text)
	}
	for _, size := range []int{0, 1, 65535, 65536, 65537, 5 << 20} {
		body := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		if _, text, err := fetch(t, c, "POST", "/echo", strings.NewReader(body)); text != body || err != nil {
			t.Errorf("%d bytes: %d came back, %v", size, len(text), err)
		}
	}
}

func testStreams(t *testing.T, _ *instance, c *http.Client) {
	res, text, err := fetch(t, c, "GET", "/stream", nil)
	if text != "line 0\nline 1\nline 2\n" || err != nil || len(res.TransferEncoding) != 1 {
		t.Errorf("got %q, %v, %v", text, res.TransferEncoding, err)
	}
	if _, text, err := fetch(t, c, "GET", "/late", nil); err == nil {
		t.Errorf("a stream that broke looks whole: %q", text)
	}
	const size = 20 << 20
	if _, text, _ := fetch(t, c, "POST", "/count", io.LimitReader(endless{}, size)); text != strconv.Itoa(size) {
		t.Errorf("counted %s of %d chunked bytes", text, size)
	}
	res, text, err = fetch(t, c, "HEAD", "/stream", nil)
	if res.StatusCode != 200 || text != "" || err != nil {
		t.Errorf("HEAD: got %d %q %v", res.StatusCode, text, err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func testFails(t *testing.T, i *instance, c *http.Client) {
	res, text, _ := fetch(t, c, "POST", "/boom", strings.NewReader("x"), "X-Call-Id", "call-9")
	var body struct{ Error, Type string }
	if err := json.Unmarshal([]byte(text), &body); err != nil || res.StatusCode != 500 || body.Error != "boom" || body.Type == "" {
		t.Errorf("got %d %q", res.StatusCode, text)
	}
	if err := i.output.until(t.Context(), "call-9 error "); err != nil {
		t.Error(err)
	}
	fetch(t, c, "GET", "/log", nil, "X-Call-Id", "call-8")
	if err := i.output.until(t.Context(), "call-8 warning logged 1\n"); err != nil {
		t.Error(err)
	}
	if res, text, _ := fetch(t, c, "GET", "/header", nil); res.Header.Get("X-Injected") != "" {
		t.Errorf("a header was smuggled: %v %q", res.Header, text)
	}
}

func testWire(t *testing.T, i *instance) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for name, c := range map[string]struct {
		send  string
		want  []string
		count int // of "HTTP/1.1 "
	}{
		"two in a row": {
			"GET / HTTP/1.1\r\nHost: f\r\n\r\nGET / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n", []string{"hello\n"}, 2,
		},
		"a body that is not read": {
			"POST / HTTP/1.1\r\nHost: f\r\nContent-Length: 5\r\n\r\nhelloGET /none HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n", []string{"200 OK"}, 2,
		},
		"chunks with extensions and trailers": {
			"POST /echo HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n",
			[]string{"abc", "0123456789"}, 1,
		},
		"expect": {
			"POST /echo HTTP/1.1\r\nHost: f\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", []string{"hi"}, -1,
		},
		"HTTP/1.0": {"GET /stream HTTP/1.0\r\n\r\n", []string{"line 0\nline 1\nline 2\n"}, 1},
		"garbage":  {"\x16\x03\x01\x02\x00\r\n\r\n", []string{"400"}, 1},
		"bad chunk": {
			"POST /echo HTTP/1.1\r\nHost: f\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", nil, -1,
		},
		"bad length":   {"POST /echo HTTP/1.1\r\nHost: f\r\nContent-Length: -1\r\n\r\n", []string{"400"}, 1},
		"endless head": {"GET / HTTP/1.1\r\nHost: f\r\nX: " + strings.Repeat("x", 600<<10) + "\r\n\r\n", nil, -1},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := i.raw(ctx, c.send)
			if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %q", want, got)
				}
			}
			if n := strings.Count(got, "HTTP/1."); c.count >= 0 && n != c.count {
				t.Errorf("%d responses, want %d: %q", n, c.count, got)
			}
		})
	}
	if got, err := i.raw(ctx, "GET / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "hello") {
		t.Errorf("after all that: %q, %v", got, err)
	}
}

func testMany(t *testing.T, c *http.Client) {
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for range 5 {
				want := strings.Repeat(strconv.Itoa(n), 1000)
				r, err := http.NewRequestWithContext(t.Context(), "POST", "http://f/echo", strings.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				res, err := c.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(text) != want {
					t.Errorf("got %d bytes, %v", len(text), err)
				}
			}
		})
	}
	wg.Wait()
}

// testStops ends the instance while it has a call in hand.
func testStops(t *testing.T, i *instance, c *http.Client) {
	c.CloseIdleConnections()
	done := make(chan string, 1)
	go func() {
		text, err := i.raw(context.Background(), "GET /wait HTTP/1.1\r\nHost: f\r\n\r\n")
		if err != nil {
			text = err.Error()
		}
		done <- text
	}()
	if err := i.output.until(t.Context(), "waiting\n"); err != nil {
		t.Fatal(err)
	}
	if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := <-done; !strings.HasSuffix(got, "waited") && !strings.Contains(got, "waited") {
		t.Errorf("the call in hand got %q", got)
	}
	if err := i.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, i.output)
	}
}
