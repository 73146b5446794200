package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// hang is a handler that says when it was called and when its request ended.
func hang(called, ended chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		called <- r.URL.Path
		if r.URL.Path == "/started" {
			io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
		}
		if _, err := io.Copy(io.Discard, r.Body); err == nil { // else the body ended with the connection
			<-r.Context().Done()
		}
		ended <- r.URL.Path
	}
}

// await takes from a channel, or fails.
func await[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing within 10 s", what)
		panic("unreachable")
	}
}

func TestAClientThatLeavesEndsTheFunctionsRequest(t *testing.T) {
	called, ended := make(chan string, 1), make(chan string, 1)
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(hang(called, ended))}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for _, path := range []string{"/waiting", "/started"} {
			ctx, leave := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, "GET", r.url+"/function/f"+path, nil)
			done := make(chan error, 1)
			go func() {
				res, err := c.Do(req)
				if err == nil {
					_, err = io.ReadAll(res.Body)
					res.Body.Close()
				}
				done <- err
			}()
			await(t, "call", called)
			leave()
			await(t, "end of the function's request", ended)
			if err := await(t, "client", done); !errors.Is(err, context.Canceled) {
				t.Errorf("client: %v", err)
			}
			if inv := r.record(); inv.Cause != "client-left" || path == "/waiting" && inv.Status != 0 {
				t.Errorf("%s: record %+v", path, inv)
			}
		}
	})
}

func TestAnUploadThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	result := make(chan error, 1)
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		result <- err
	})}})
	for name, request := range map[string]string{
		"length":  "POST /function/f HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 50_000),
		"chunked": "POST /function/f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dial()
			io.WriteString(c, request)
			c.Close()
			if err := await(t, "function", result); err == nil {
				t.Error("the function took the piece for the whole")
			}
			if inv := r.record(); inv.Cause != "client-left" {
				t.Errorf("record %+v", inv)
			}
		})
	}
}

func TestADeadlineEndsACallWhereverItIs(t *testing.T) {
	called, ended := make(chan string, 1), make(chan string, 1)
	const limit = 150 * time.Millisecond
	r := newRig(t, rigConfig{timeout: limit, functions: map[string]function{"f": handler(hang(called, ended))}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		began := time.Now()
		res, body := get(t, c, r.url+"/function/f/waiting")
		if res.StatusCode != 504 || res.Header.Get("X-Rouse-Cause") != "deadline" || !strings.Contains(body, `"limit":"limits.timeout=150ms"`) {
			t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
		}
		if took := time.Since(began); took < limit {
			t.Errorf("ended after %v", took)
		}
		await(t, "call", called)
		await(t, "end of the function's request", ended)
		if inv := r.record(); inv.Status != 504 || inv.Cause != "deadline" || inv.Phase != fn.PhaseRun {
			t.Errorf("record %+v", inv)
		}

		res, err := c.Get(r.url + "/function/f/started")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if string(b) != "some" || err == nil {
			t.Errorf("the client got %q and took it for whole: %v", b, err)
		}
		await(t, "call", called)
		await(t, "end of the function's request", ended)
		if inv := r.record(); inv.Status != 200 || inv.Cause != "deadline" || inv.Phase != fn.PhaseReply {
			t.Errorf("record %+v", inv)
		}

		pr, pw := io.Pipe() // a body that never ends
		defer pw.Close()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", r.url+"/function/f/upload", pr)
		if res, err = c.Do(req); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != 504 {
			t.Errorf("while uploading: %d", res.StatusCode)
		}
		await(t, "call", called)
		await(t, "end of the function's request", ended)
		r.record()
	})
}

func TestTheDeadlineCoversTheWaitForAnInstance(t *testing.T) {
	r := newRig(t, rigConfig{timeout: 60 * time.Millisecond, start: 5 * time.Second, functions: map[string]function{"f": handler(echo)}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		res, body := get(t, c, r.url+"/function/f")
		if res.StatusCode != 504 || res.Header.Get("X-Rouse-Phase") != "start" || !strings.HasPrefix(res.Header.Get("X-Rouse-Timing"), "queue=") {
			t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
		}
		if inv := r.record(); inv.Status != 504 || inv.Timing.Queue < 60*time.Millisecond {
			t.Errorf("record %+v", inv)
		}
	})
}

func TestAClientThatLeavesWhileHeldIsForgotten(t *testing.T) {
	r := newRig(t, rigConfig{start: 500 * time.Millisecond, functions: map[string]function{"f": handler(echo)}})
	c := r.dial()
	fmt.Fprintf(c, "GET /function/f HTTP/1.1\r\nHost: a\r\n\r\n")
	c.Close()
	if inv := r.record(); inv.Cause != "client-left" || inv.Status != 0 || inv.Instance != "" {
		t.Errorf("record %+v", inv)
	}
}

func TestAFullQueueSaysWhenToTryAgain(t *testing.T) {
	called, ended := make(chan string, 1), make(chan string, 1)
	r := newRig(t, rigConfig{
		functions: map[string]function{"f": handler(hang(called, ended))},
		policy:    func(p *fn.Policy) { p.Scale.Max, p.Scale.Concurrency, p.Scale.Queue = 1, 1, 0 },
	})
	res, _ := get(t, r.client(), r.url+"/function/f")
	if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" || res.Header.Get("X-Rouse-Cause") != "queue-full" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

func TestAnEarlyAnswerToALongUpload(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	})}})
	c := r.dial()
	fmt.Fprintf(c, "POST /function/f HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(c, noise(1_000_000_000))
		sent <- err
	}()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 413 {
		t.Fatalf("%v, %v", res, err)
	}
	if err := await(t, "sender", sent); err == nil {
		t.Error("a gigabyte nobody wanted was read")
	}
}

func TestSlowAndIdleClientsAreClosed(t *testing.T) {
	r := newRig(t, rigConfig{
		functions: map[string]function{"f": handler(echo)},
		config:    func(c *Config) { c.HeadTimeout, c.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond },
	})
	for name, words := range map[string]string{
		"silent":         "",
		"half a head":    "GET /function/f HTTP/1.1\r\nHost:",
		"idle after":     "GET /function/f HTTP/1.1\r\nHost: a\r\n\r\n",
		"idle, net/http": "GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := r.dial()
			io.WriteString(c, words)
			if _, err := io.ReadAll(c); err != nil {
				t.Errorf("not closed: %v", err)
			}
		})
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	r := newRig(t, rigConfig{
		functions: map[string]function{"f": handler(echo)},
		config:    func(c *Config) { c.MaxConnections = 2 },
	})
	first, second, third := r.dial(), r.dial(), r.dial()
	for _, c := range []net.Conn{first, second} {
		fmt.Fprintf(c, "GET /function/f HTTP/1.1\r\nHost: a\r\n\r\n")
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintf(third, "GET /function/f HTTP/1.1\r\nHost: a\r\n\r\n")
	_ = third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("a third connection was served")
	}
	first.Close()
	_ = third.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := http.ReadResponse(bufio.NewReader(third), nil); err != nil {
		t.Errorf("the third connection, after the first closed: %v", err)
	}
}

func TestShutdownFinishesWhatIsInProgress(t *testing.T) {
	called, release := make(chan bool, 8), make(chan bool)
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) {
		called <- true
		<-release
		io.WriteString(w, "done")
	})}})
	idle := r.dial()
	quiet := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(idle)
		quiet <- err
	}()
	var wg sync.WaitGroup
	for _, c := range []*http.Client{r.client(), r.clientH2()} {
		wg.Go(func() {
			res, err := c.Get(r.url + "/function/f")
			if err != nil {
				t.Errorf("a call in progress: %v", err)
				return
			}
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); string(b) != "done" || err != nil {
				t.Errorf("a call in progress: %q, %v", b, err)
			}
			if res.ProtoMajor == 1 && !res.Close {
				t.Error("the client was not told that the connection closes")
			}
		})
	}
	await(t, "call", called)
	await(t, "call", called)
	down := make(chan error, 1)
	go func() { down <- r.srv.Shutdown(t.Context()) }()
	if err := await(t, "idle connection", quiet); err != nil {
		t.Errorf("idle connection: %v", err)
	}
	if _, err := net.Dial("tcp", r.addr); err == nil {
		t.Error("a new connection was accepted")
	}
	select {
	case err := <-down:
		t.Errorf("shut down with calls in progress: %v", err)
	default:
	}
	close(release)
	wg.Wait()
	if err := await(t, "shutdown", down); err != nil {
		t.Error(err)
	}
	if err := await(t, "Serve", r.served); err != nil {
		t.Error(err)
	}
}

func TestShutdownBreaksOffWhatDoesNotEnd(t *testing.T) {
	called, ended := make(chan string, 8), make(chan string, 8)
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(hang(called, ended))}})
	type result struct {
		proto, status int
		cause         string
		err           error
	}
	results := make(chan result, 2)
	for _, c := range []*http.Client{r.client(), r.clientH2()} {
		go func() {
			res, err := c.Get(r.url + "/function/f")
			if err != nil {
				results <- result{err: err}
				return
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
			results <- result{res.ProtoMajor, res.StatusCode, res.Header.Get("X-Rouse-Cause"), nil}
		}()
	}
	await(t, "call", called)
	await(t, "call", called)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	for range 2 {
		got := await(t, "client", results)
		if got.err == nil && (got.status != 503 || got.cause != "shutting-down") || got.proto == 1 && got.err != nil {
			t.Errorf("client got %+v", got)
		}
		if inv := r.record(); inv.Cause != "shutting-down" {
			t.Errorf("record %+v", inv)
		}
	}
}
