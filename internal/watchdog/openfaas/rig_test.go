package openfaas

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/watchdog/fork"
)

// The test binary is also the watchdog, in a process of its own because it
// reaps every child, and the function's own server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "watchdog":
			os.Exit(beWatchdog(os.Args[2] == "classic"))
		case "upstream":
			beUpstream()
			return
		}
	}
	goleak.VerifyTestMain(m)
}

// leaked is the exit code of a watchdog that left goroutines behind.
const leaked = 99

func beWatchdog(classic bool) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	o := Options{Env: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}
	if classic {
		o.Contract = Classic
	}
	if os.Getenv("LISTEN_FDS") == "1" {
		var err error
		if o.Listener, err = fork.Inherited(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return fn.ExitCode(err)
		}
	}
	err := Run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	stop()
	ignore := goleak.IgnoreTopFunction("os/signal.loop")
	if leak := goleak.Find(ignore); leak != nil {
		fmt.Fprintln(os.Stderr, leak)
		return leaked
	}
	return fn.ExitCode(err)
}

// A place is where a watchdog runs.
type place string

const (
	hosted place = "hosted" // on a socket it inherits, as in an instance
	alone  place = "alone"  // on a port of its own, as in a container
)

// rig is a watchdog at work.
type rig struct {
	*http.Client
	t        *testing.T
	url      string
	metrics  string // of a watchdog alone
	upstream string // the function's own server
	tmp      string
	cmd      *exec.Cmd
	out, err *output
	stopped  bool
}

// startIn starts a watchdog with variables "NAME=VALUE" and waits until it
// listens. Contract "classic" or "of".
func startIn(t *testing.T, p place, contract string, vars ...string) *rig {
	t.Helper()
	r := &rig{t: t, tmp: t.TempDir(), out: newOutput(), err: newOutput()}
	r.cmd = exec.Command(os.Args[0], "watchdog", contract)
	r.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + r.tmp, "healthcheck_interval=0", "GREETING=hi",
		"GORACE=atexit_sleep_ms=0"}, vars...)
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.err
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	r.Client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if p == hosted {
		l, err := net.Listen("unix", filepath.Join(r.tmp, "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.UnixListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		r.cmd.ExtraFiles = []*os.File{f}
		r.cmd.Env = append(r.cmd.Env, "LISTEN_FDS=1", "LISTEN_FDNAMES=http")
		r.url = "http://fn"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", l.Addr().String())
		}
	} else {
		ports := freePorts(t, 2)
		r.cmd.Env = append(r.cmd.Env, "port="+ports[0], "metrics_port="+ports[1])
		r.url, r.metrics = "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]+"/metrics"
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if !r.stopped {
			if code := r.stop(); code != 0 {
				t.Errorf("exit code %d\n%s", code, r.err)
			}
		}
		if t.Failed() {
			t.Logf("standard error:\n%s", r.err)
		}
	})
	if p == alone {
		r.err.await(t, "Listening on port")
	}
	return r
}

func start(t *testing.T, contract string, vars ...string) *rig {
	t.Helper()
	return startIn(t, hosted, contract, vars...)
}

// stop ends the watchdog as a platform does and returns its exit code.
func (r *rig) stop() int {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	return r.wait()
}

func (r *rig) wait() int {
	r.stopped = true
	_ = r.cmd.Wait()
	return r.cmd.ProcessState.ExitCode()
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

// ask makes one request; headers are "Name: value".
func (r *rig) ask(method, path string, body io.Reader, headers ...string) answer {
	r.t.Helper()
	res := r.send(method, path, body, headers...)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{res.StatusCode, string(text), res.Header}
}

func (r *rig) send(method, path string, body io.Reader, headers ...string) *http.Response {
	r.t.Helper()
	res, err := r.Do(r.request(r.t.Context(), method, path, body, headers...))
	if err != nil {
		r.t.Fatal(err)
	}
	return res
}

func (r *rig) request(ctx context.Context, method, path string, body io.Reader, headers ...string) *http.Request {
	r.t.Helper()
	q, err := http.NewRequestWithContext(ctx, method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			q.Host = value
		}
		q.Header[name] = append(q.Header[name], value)
	}
	return q
}

// raw opens a connection for what net/http would not send.
func (r *rig) raw() net.Conn {
	r.t.Helper()
	var c net.Conn
	var err error
	if dial := r.Transport.(*http.Transport).DialContext; dial != nil {
		c, err = dial(r.t.Context(), "", "")
	} else {
		c, err = net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// ready waits for the answer to the platform's question.
func (r *rig) ready() {
	r.t.Helper()
	c := r.raw()
	if _, err := io.WriteString(c, "OPTIONS * HTTP/1.1\r\nHost: rouse\r\n\r\n"); err != nil {
		r.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 200 || res.Close {
		r.t.Fatalf("not ready: %v %v\n%s", res, err, r.err)
	}
	res.Body.Close()
	c.Close()
}

// output is what a process printed so far.
type output struct {
	mu   sync.Mutex
	cond *sync.Cond
	b    bytes.Buffer // guarded by mu
}

func newOutput() *output {
	o := &output{}
	o.cond = sync.NewCond(&o.mu)
	return o
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cond.Broadcast()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// await waits until text was printed.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	o.awaitMany(t, text, 1)
}

func (o *output) awaitMany(t *testing.T, text string, times int) {
	t.Helper()
	late := false
	timer := time.AfterFunc(20*time.Second, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		late = true
		o.cond.Broadcast()
	})
	defer timer.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for strings.Count(o.b.String(), text) < times {
		if late {
			t.Fatalf("%q was not printed %d times:\n%s", text, times, o.b.String())
		}
		o.cond.Wait()
	}
}

// lines returns what was printed by line.
func (o *output) lines() []string { return strings.Split(strings.TrimSpace(o.String()), "\n") }

// has reports whether one line ends so.
func (o *output) has(suffix string) bool {
	return slices.ContainsFunc(o.lines(), func(l string) bool { return strings.HasSuffix(l, suffix) })
}

// script writes a program of the shell and returns its path. No fork may
// happen meanwhile: a child that has the file open for writing would make it
// impossible to start.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func freePorts(t *testing.T, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports
}

// pids reads the numbers of a line.
func pids(t *testing.T, r io.Reader) []int {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for word := range strings.FieldsSeq(line) {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

var errLate = errors.New("it took too long")
