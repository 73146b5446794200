package watchdog

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lockedBuffer is a buffer that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start serves a shell script until the test ends.
func start(t *testing.T, script string) (*http.Client, *lockedBuffer) {
	t.Helper()
	return startCommand(t, Config{Command: []string{"/bin/sh", "-c", script}})
}

func startCommand(t *testing.T, cfg Config) (*http.Client, *lockedBuffer) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var logged lockedBuffer
	cfg.Listener, cfg.Stderr = l, &logged
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return &http.Client{Transport: transport}, &logged
}

// ask makes one request and reads its answer.
func ask(t *testing.T, c *http.Client, r *http.Request) (int, string) {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://fn"+path, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBodyGoesInAndOutputComesBack(t *testing.T) {
	c, _ := start(t, "cat")
	big := strings.Repeat("0123456789abcdef", 1<<20)
	for name, body := range map[string]string{"nothing": "", "a word": "hello", "16 MiB": big} {
		if status, got := ask(t, c, request(t, "POST", "/", strings.NewReader(body))); status != 200 || got != body {
			t.Errorf("%s: status %d, %d bytes", name, status, len(got))
		}
	}
	// Unknown length: chunked.
	if status, got := ask(t, c, request(t, "POST", "/", io.MultiReader(strings.NewReader(big)))); status != 200 || got != big {
		t.Errorf("chunked: status %d, %d bytes", status, len(got))
	}
}

func TestEnvironmentTellsTheRequest(t *testing.T) {
	t.Setenv("LISTEN_FDS", "1")
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("GREETING", "hi")
	c, _ := start(t, "env; ls -l /proc/self/fd")
	r := request(t, "PUT", "/a/b%20c?x=1&y=2", strings.NewReader("123"))
	r.Header = http.Header{"Content-Type": {"text/x"}, "X-Call-Id": {"call-7"}, "X-Many": {"a", "b"}, "X_Under": {"no"}, "Method": {"no"}}
	_, out := ask(t, c, r)
	for _, want := range []string{
		"GREETING=hi", "Http_Method=PUT", "Http_Path=/a/b c", "Http_Query=x=1&y=2", "Http_Host=fn", "Http_Content_Type=text/x",
		"Http_Content_Length=3", "CallId=call-7", "Http_X_Call_Id=call-7", "Http_X_Many=a, b",
	} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	for _, no := range []string{"LISTEN_", "Under", "=no\n", "socket:"} {
		if strings.Contains(out, no) {
			t.Errorf("%q is in\n%s", no, out)
		}
	}
}

func TestFailureBeforeOutputIsToldWithTheLastWords(t *testing.T) {
	c, logged := start(t, `i=0; while [ $i -lt 30 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 3`)
	r := request(t, "GET", "/", nil)
	r.Header.Set("X-Call-Id", "call-1")
	status, text := ask(t, c, r)
	var body struct {
		Error, Type string
		Exit        int
		Output      []string
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil {
		t.Fatal(err, text)
	}
	if status != 500 || body.Type != "exit" || body.Exit != 3 || len(body.Output) != tailLines || body.Output[tailLines-1] != "line 29" {
		t.Errorf("status %d, %+v", status, body)
	}
	if !strings.Contains(logged.String(), "call-1 line 0\n") || !strings.Contains(logged.String(), "call-1 the program ended with exit status 3\n") {
		t.Errorf("logged %q", logged.String())
	}
}

func TestFailureAfterOutputCutsTheResponseOff(t *testing.T) {
	c, _ := start(t, "echo begun; read wait; exit 1")
	pr, pw := io.Pipe()
	res, err := c.Do(request(t, "POST", "/", pr))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	pw.Close()
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("a cut response looks whole: %q", body)
	}
}

func TestAProgramThatPrintsNothingAnswersWell(t *testing.T) {
	c, _ := start(t, "true")
	if status, body := ask(t, c, request(t, "GET", "/", nil)); status != 200 || body != "" {
		t.Errorf("got %d %q", status, body)
	}
	if status, _ := ask(t, c, request(t, "HEAD", "/", nil)); status != 200 {
		t.Errorf("HEAD: got %d", status)
	}
}

func TestContentTypeIsToldOrChosen(t *testing.T) {
	for want, cfg := range map[string]Config{
		"text/html; charset=utf-8": {Command: []string{"echo", "<html>"}},
		"text/csv":                 {Command: []string{"echo", "a,b"}, Env: []string{"CONTENT_TYPE=text/csv"}},
	} {
		t.Run(want, func(t *testing.T) { // one at a time: a watchdog reaps every child
			c, _ := startCommand(t, cfg)
			res, err := c.Do(request(t, "GET", "/", nil))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if got := res.Header.Get("Content-Type"); got != want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestOutputStreamsWhileInputGoesOn(t *testing.T) {
	c, _ := start(t, `while read line; do echo "got $line"; done`)
	pr, pw := io.Pipe()
	res, err := func() (*http.Response, error) {
		go fmt.Fprintln(pw, "one")
		return c.Do(request(t, "POST", "/", pr))
	}()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for i, next := range []string{"two", "three", ""} {
		got, err := lines.ReadString('\n')
		if want := "got " + []string{"one", "two", "three"}[i] + "\n"; got != want || err != nil {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
		if next != "" {
			fmt.Fprintln(pw, next)
		}
	}
	pw.Close()
	if rest, err := io.ReadAll(lines); len(rest) != 0 || err != nil {
		t.Errorf("rest %q, %v", rest, err)
	}
}

func TestInputThatIsNotReadDoesNotHoldTheCall(t *testing.T) {
	c, _ := start(t, "echo done")
	endless, pw := io.Pipe()
	defer pw.Close()
	res, err := c.Do(request(t, "POST", "/", endless))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "done\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// pids makes the script write its own and a child's pid, and returns them.
const twoPids = "sleep 1000 & echo $$ $!; wait"

func readPids(t *testing.T, r io.Reader) []int {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for word := range strings.FieldsSeq(line) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// gone waits until the processes have ended, through a pidfd each.
func gone(t *testing.T, pids []int, fds []int) {
	t.Helper()
	for i, fd := range fds {
		if fd < 0 {
			continue
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if n != 1 {
			t.Errorf("process %d still lives: %v", pids[i], err)
		}
		unix.Close(fd)
	}
}

func pidfds(t *testing.T, pids []int) []int {
	t.Helper()
	fds := make([]int, len(pids))
	for i, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			fd = -1
		} else if err != nil {
			t.Fatal(err)
		}
		fds[i] = fd
	}
	return fds
}

func TestACallerWhoLeavesEndsTheProcessGroup(t *testing.T) {
	c, _ := start(t, twoPids)
	ctx, cancel := context.WithCancel(t.Context())
	res, err := c.Do(request(t, "GET", "/", nil).WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	pids := readPids(t, res.Body)
	fds := pidfds(t, pids)
	cancel()
	gone(t, pids, fds)
}

func TestTheDeadlineEndsTheProcessGroup(t *testing.T) {
	c, _ := start(t, "sleep 1000 & echo $$ $! >&2; wait")
	r := request(t, "GET", "/", nil)
	r.Header.Set("X-Rouse-Deadline", strconv.FormatInt(time.Now().Add(300*time.Millisecond).UnixMilli(), 10))
	status, text := ask(t, c, r)
	var body struct {
		Type   string
		Output []string
	}
	if err := json.Unmarshal([]byte(text), &body); err != nil || status != 504 || body.Type != "deadline" || len(body.Output) != 1 {
		t.Fatalf("status %d, %q", status, text)
	}
	pids := readPids(t, strings.NewReader(body.Output[0]+"\n"))
	gone(t, pids, pidfds(t, pids))
}

func TestWhatAProgramLeavesBehindEndsWithItsCall(t *testing.T) {
	c, _ := start(t, "sleep 1000 & echo $!")
	status, out := ask(t, c, request(t, "GET", "/", nil)) // would hang if the child kept the output open
	if status != 200 {
		t.Fatalf("status %d", status)
	}
	pids := readPids(t, strings.NewReader(out))
	gone(t, pids, pidfds(t, pids))
}

func TestManyCallsAtOnceLeaveNoZombie(t *testing.T) {
	c, _ := start(t, "(sleep 0.01 &) ; setsid true & cat")
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			want := strconv.Itoa(i)
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://fn/", strings.NewReader(want))
			if err != nil {
				t.Error(err)
				return
			}
			res, err := c.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if got, err := io.ReadAll(res.Body); string(got) != want {
				t.Errorf("got %q, %v; want %s", got, err, want)
			}
		})
	}
	wg.Wait()
	// Orphans end on their own; each end is signalled and then collected.
	deadline := time.Now().Add(10 * time.Second)
	for zombies(t) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d zombies", zombies(t))
		}
		if status, _ := ask(t, c, request(t, "GET", "/", nil)); status != 200 {
			t.Fatal(status)
		}
	}
}

// zombies counts our children that ended and were not collected.
func zombies(t *testing.T) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n, me := 0, strconv.Itoa(os.Getpid())
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(data), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[0] == "Z" && f[1] == me {
			n++
		}
	}
	return n
}

func TestStandardErrorIsBounded(t *testing.T) {
	c, logged := start(t, "head -c 20000000 /dev/zero | tr '\\0' x >&2; echo >&2; i=0; while [ $i -lt 2000 ]; do echo yyyyyyyyyy >&2; i=$((i+1)); done; echo ok")
	if status, body := ask(t, c, request(t, "GET", "/", nil)); status != 200 || body != "ok\n" {
		t.Errorf("got %d %q", status, body)
	}
	if n := len(logged.String()); n > maxLine*2 || !strings.Contains(logged.String(), "is dropped") {
		t.Errorf("%d bytes logged", n)
	}
}

func TestRunRefusesAProgramThatDoesNotExist(t *testing.T) {
	for _, command := range [][]string{nil, {"/no/such/program"}, {"no-such-program"}} {
		if err := Run(t.Context(), Config{Command: command}); !errors.Is(err, fn.Invalid) {
			t.Errorf("%q: got %v", command, err)
		}
	}
}

func TestRunFinishesTheCallInHand(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Config{Command: []string{"/bin/sh", "-c", "echo begun; read line; echo $line"}, Listener: l, Stderr: io.Discard})
	}()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	pr, pw := io.Pipe()
	res, err := (&http.Client{Transport: transport}).Do(request(t, "POST", "/", pr))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	cancel()
	fmt.Fprintln(pw, "to the end")
	pw.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "begun\nto the end\n" {
		t.Errorf("got %q, %v", body, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
