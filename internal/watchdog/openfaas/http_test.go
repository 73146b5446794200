package openfaas

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestModeHTTPPassesRequestsOnAsTheyCame(t *testing.T) {
	t.Parallel()
	for _, p := range []place{hosted, alone} {
		r := startHTTP(t, p)
		a := r.ask("PUT", "/echo/a%2Fb//c%20d/../e?x=1&y=%zz;&", strings.NewReader("body"),
			"Host: its.name", "X-Own: 1", "X-Own: 2", "X-Forwarded-For: 1.2.3.4:5", "X-Forwarded-Host: front", "X-Call-Id: abc", "Te: trailers")
		e := parseEcho(t, a)
		if e.Method != "PUT" || e.URI != "/echo/a%2Fb//c%20d/../e?x=1&y=%zz;&" || e.Host != "its.name" || e.Body != "body" || e.Length != 4 {
			t.Errorf("%s: %+v", p, e)
		}
		for name, want := range map[string]string{"X-Own": "1,2", "X-Forwarded-For": "1.2.3.4:5", "X-Forwarded-Host": "front", "X-Call-Id": "abc"} {
			if got := strings.Join(e.Header.Values(name), ","); got != want {
				t.Errorf("%s: %s is %q, want %q", p, name, got, want)
			}
		}
		if e.Header.Get("Accept-Encoding") != "" && e.Header.Get("Accept-Encoding") != a.header.Get("Accept-Encoding") {
			t.Errorf("%s: compression the caller did not ask for: %v", p, e.Header)
		}
		if a.header.Get("X-Duration-Seconds") == "" {
			t.Errorf("%s: no X-Duration-Seconds", p)
		}
	}
}

func TestModeHTTPAnswers(t *testing.T) {
	t.Parallel()
	r := startHTTP(t, hosted, "exec_timeout=300ms")
	for _, c := range []struct {
		path    string
		headers []string
		status  int
		header  map[string]string
	}{
		{"/redirect", nil, 302, map[string]string{"Location": "/elsewhere", internalHeader: ""}},
		{"/teapot", nil, 418, map[string]string{"X-Own": "mine", internalHeader: ""}},
		{"/never", nil, 504, map[string]string{internalHeader: "of-watchdog"}},
		{"/never", []string{"X-Timeout: 20ms"}, 504, map[string]string{internalHeader: "of-watchdog"}},
	} {
		a := r.ask("GET", c.path, nil, c.headers...)
		if a.status != c.status || a.header.Get("X-Duration-Seconds") == "" {
			t.Errorf("%s: %d %v", c.path, a.status, a.header)
		}
		for name, want := range c.header {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.path, name, got, want)
			}
		}
	}
	r.ask("POST", "/print", strings.NewReader("x"))
	r.stop()
	checkPrinted(t, r.err, []string{date + "GET /redirect - 302 Found - ContentLength: ", date + "GET /never - 504 Gateway Timeout - ",
		date + "POST /print - 200 OK - ContentLength: 0B ", date + "stderr: to standard error$"})
	checkPrinted(t, r.out, []string{date + "stdout: to standard output$"})
}

func TestModeHTTPUpstreamPathAndBuffering(t *testing.T) {
	t.Parallel()
	port := freePorts(t, 1)[0]
	vars := []string{"mode=http", "fprocess=" + os.Args[0] + " upstream", "upstream_url=http://127.0.0.1:" + port + "/echo/base/"}
	r := start(t, "of", vars...)
	if e := parseEcho(t, r.ask("POST", "/x%2Fy", io.MultiReader(strings.NewReader("body")))); e.URI != "/echo/base/x%2Fy" || len(e.Encoding) != 1 || e.Encoding[0] != "chunked" {
		t.Errorf("unbuffered: %+v", e)
	}
	for _, name := range []string{"http_buffer_req_body", "buffer_http"} {
		r = startHTTP(t, hosted, name+"=true")
		if e := parseEcho(t, r.ask("POST", "/echo", io.MultiReader(strings.NewReader("body")))); len(e.Encoding) != 0 || e.Length != 4 || e.Body != "body" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestModeHTTPStreams(t *testing.T) {
	t.Parallel()
	r := startHTTP(t, hosted)
	// Plain answers too, not only streams of events.
	for _, c := range []string{"/gate text/event-stream", "/gate TEXT/Event-Stream", "/gate application/json, application/x-ndjson", "/gate */*", "/gate?length */*"} {
		path, accept, _ := strings.Cut(c, " ")
		res := r.send("GET", path, nil, "Accept: "+accept)
		lines := bufio.NewReader(res.Body)
		if got := readLine(t, lines); got != "one\n" || res.Header.Get("X-Duration-Seconds") == "" {
			t.Errorf("%s: got %q %v", accept, got, res.Header)
		}
		r.ask("GET", "/release", nil)
		if got := readLine(t, lines); got != "two\n" {
			t.Errorf("%s: got %q", accept, got)
		}
		res.Body.Close()
	}
	// Both ways at once.
	pr, pw := io.Pipe()
	go fmt.Fprintln(pw, "first")
	res := r.send("POST", "/back", pr)
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for _, word := range []string{"first", "second"} {
		if word == "second" {
			fmt.Fprintln(pw, word)
		}
		if got := readLine(t, lines); got != word+"\n" {
			t.Errorf("got %q", got)
		}
	}
	pw.Close()
}

func TestModeHTTPBigBodies(t *testing.T) {
	t.Parallel()
	r := startHTTP(t, hosted)
	big := strings.Repeat("0123456789abcdef", 1<<20)
	for name, body := range map[string]io.Reader{"length": strings.NewReader(big), "chunked": io.MultiReader(strings.NewReader(big))} {
		if a := r.ask("POST", "/back", body); a.status != 200 || a.body != big {
			t.Errorf("%s: status %d, %d bytes", name, a.status, len(a.body))
		}
		if a := r.ask("POST", "/early", strings.NewReader(big)); a.status != 200 || a.body != "enough" {
			t.Errorf("%s: got %d %q", name, a.status, a.body)
		}
	}
}

func TestStreamsOfEventsHaveNoExecTimeout(t *testing.T) {
	t.Parallel()
	r := startHTTP(t, hosted, "exec_timeout=200ms")
	streaming := r.send("GET", "/gate", nil, "Accept: text/event-stream")
	defer streaming.Body.Close()
	if a := r.ask("GET", "/never", nil); a.status != 504 { // its time passes meanwhile
		t.Errorf("got %d", a.status)
	}
	r.ask("GET", "/release", nil)
	if body, err := io.ReadAll(streaming.Body); string(body) != "one\ntwo\n" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	plain := r.send("GET", "/gate", nil)
	defer plain.Body.Close()
	if body, err := io.ReadAll(plain.Body); err == nil {
		t.Errorf("an answer that was cut off looks whole: %q", body)
	}
}

func TestModeHTTPUpgrades(t *testing.T) {
	t.Parallel()
	for _, p := range []place{hosted, alone} {
		r := startHTTP(t, p)
		r.ready()
		c := r.raw()
		if _, err := io.WriteString(c, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(c)
		res, err := http.ReadResponse(br, nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Upgrade") != "websocket" || res.Header.Get("X-Duration-Seconds") == "" {
			t.Fatalf("%v %v", res, err)
		}
		for _, word := range []string{"a", "b"} {
			fmt.Fprintln(c, word)
			if got := readLine(t, br); got != "back "+word+"\n" {
				t.Errorf("got %q", got)
			}
		}
		c.Close()
		r.out.await(t, "upgraded over")
	}
}

func TestModeHTTPACallerWhoLeavesIsToldToTheFunction(t *testing.T) {
	t.Parallel()
	r := startHTTP(t, hosted)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	q := r.request(ctx, "GET", "/never", nil)
	go func() {
		res, err := r.Do(q)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	r.out.await(t, "never reached")
	cancel()
	if err := <-done; err == nil {
		t.Error("there was an answer")
	}
	r.out.await(t, "caller gone")
}

func TestReadyIsSaidWhenTheFunctionListens(t *testing.T) {
	t.Parallel()
	for _, p := range []place{hosted, alone} {
		gate := filepath.Join(t.TempDir(), "gate")
		if err := unix.Mkfifo(gate, 0o600); err != nil {
			t.Fatal(err)
		}
		r := startHTTP(t, p, "GATE="+gate)
		if a := r.ask("GET", "/_/health", nil); a.status != 503 {
			t.Errorf("%s: health before it listens: %d", p, a.status)
		}
		if a := r.ask("GET", "/_/ready", nil); a.status != 503 {
			t.Errorf("%s: readiness before it listens: %d", p, a.status)
		}
		// A question and a call come too early: both are held.
		question, call := r.raw(), r.raw()
		if _, err := io.WriteString(question, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(call, "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]net.Conn{"question": question, "call": call} {
			_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %s: an answer before it listens: %v", p, name, err)
			}
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		}
		w, err := os.OpenFile(gate, os.O_WRONLY, 0) // waits for the function to be there
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		for name, c := range map[string]io.Reader{"question": question, "call": call} {
			if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 200 {
				t.Errorf("%s: %s: %v, %v", p, name, res, err)
			}
		}
		if a := r.ask("GET", "/_/health", nil); a.status != 200 || a.body != "OK" {
			t.Errorf("%s: health: %d %q", p, a.status, a.body)
		}
	}
}

func TestTheEndOfTheFunctionsServerIsTheWatchdogs(t *testing.T) {
	t.Parallel()
	for _, p := range []place{hosted, alone} {
		r := startHTTP(t, p)
		r.ready()
		res, err := r.Get(r.url + "/exit")
		if err == nil {
			res.Body.Close()
		}
		if code := r.wait(); code == 0 || code == leaked {
			t.Errorf("%s: exit code %d", p, code)
		}
		if !strings.Contains(r.err.String(), "exit status 3") {
			t.Errorf("%s: it does not say why:\n%s", p, r.err)
		}
	}
	// Before it ever listened, and with success.
	r := start(t, "of", "mode=http", "fprocess=true", "upstream_url=http://127.0.0.1:"+freePorts(t, 1)[0])
	if code := r.wait(); code == 0 || code == leaked {
		t.Errorf("exit code %d\n%s", code, r.err)
	}
}

func TestAServerThatSendsInPiecesIsNotMadeToWait(t *testing.T) {
	t.Parallel()
	r := startHTTP(t, hosted)
	r.ready()
	var took []time.Duration
	for range 60 { // a fresh connection is acknowledged quickly without us
		began := time.Now()
		if a := r.ask("GET", "/apart", nil); a.body != "body" {
			t.Fatalf("got %d %q", a.status, a.body)
		}
		took = append(took, time.Since(began))
	}
	if quickest := slices.Min(took[40:]); quickest >= 40*time.Millisecond {
		t.Errorf("the quickest of the later calls took %v: an acknowledgement was waited for", quickest)
	}
}
