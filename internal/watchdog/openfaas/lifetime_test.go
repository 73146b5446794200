package openfaas

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func TestHealthFollowsTheLockFile(t *testing.T) {
	t.Parallel()
	for _, p := range []place{hosted, alone} {
		for _, contract := range []string{"of", "classic"} {
			r := startIn(t, p, contract, "fprocess=cat")
			r.ready()
			env := []string{"TMPDIR=" + r.tmp}
			if a := r.ask("GET", "/_/health", nil); a.status != 200 || a.body != "OK" || !Healthy(env) {
				t.Errorf("%s %s: %d %q", p, contract, a.status, a.body)
			}
			for _, method := range []string{"POST", "HEAD", "DELETE"} {
				if a := r.ask(method, "/_/health", nil); a.status != 405 {
					t.Errorf("%s %s: %s: %d", p, contract, method, a.status)
				}
			}
			lock := filepath.Join(r.tmp, ".lock")
			if err := os.Rename(lock, lock+".away"); err != nil {
				t.Fatal(err)
			}
			if a := r.ask("GET", "/_/health", nil); a.status != 503 || Healthy(env) {
				t.Errorf("%s %s without the lock: %d", p, contract, a.status)
			}
			if err := os.Rename(lock+".away", lock); err != nil {
				t.Fatal(err)
			}
			if r.stop(); Healthy(env) {
				t.Errorf("%s %s: the lock is left", p, contract)
			}
		}
	}
}

func TestSuppressLock(t *testing.T) {
	t.Parallel()
	for _, contract := range []string{"of", "classic"} {
		r := start(t, contract, "fprocess=cat", "suppress_lock=true")
		r.ready()
		if a := r.ask("GET", "/_/health", nil); a.status != 200 || Healthy([]string{"TMPDIR=" + r.tmp}) {
			t.Errorf("%s: %d", contract, a.status)
		}
	}
}

func TestNoPlaceForTheLockIsTold(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, "of", "fprocess=cat", "TMPDIR="+file)
	if code := r.wait(); code == 0 || code == leaked || !strings.Contains(r.err.String(), "lock file") {
		t.Errorf("exit code %d\n%s", code, r.err)
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	r := start(t, "of", "fprocess=cat")
	r.ready()
	if a := r.ask("GET", "/_/ready", nil); a.status != 200 {
		t.Errorf("got %d", a.status)
	}
	if a := r.ask("POST", "/_/ready", nil); a.status != 405 {
		t.Errorf("POST: got %d", a.status)
	}
	// ready_path asks the function.
	r = startHTTP(t, hosted, "ready_path=/teapot?x=1")
	r.ready()
	if a := r.ask("GET", "/_/ready", nil, "User-Agent: kube-probe/1"); a.status != 418 {
		t.Errorf("ready_path: got %d", a.status)
	}
	r = start(t, "of", "ready_path=up?x=1", "fprocess="+script(t, "echo $Http_Method $Http_Path $Http_Query"))
	r.ready()
	if a := r.ask("GET", "/_/ready", nil); a.body != "GET /up x=1\n" {
		t.Errorf("forked: got %d %q", a.status, a.body)
	}
	// A function that took its lock away is not asked.
	if err := os.Remove(filepath.Join(r.tmp, ".lock")); err != nil {
		t.Fatal(err)
	}
	if a := r.ask("GET", "/_/ready", nil); a.status != 503 {
		t.Errorf("without the lock: got %d", a.status)
	}
	r.stop()
}

func TestMaxInflight(t *testing.T) {
	t.Parallel()
	for _, contract := range []string{"of", "classic"} {
		r := start(t, contract, "max_inflight=1", "fprocess="+script(t, "echo here >&2; cat"), "combine_output=false")
		r.ready()
		pr, pw := io.Pipe()
		q := r.request(t.Context(), "POST", "/", pr)
		first := make(chan string, 1)
		go func() {
			res, err := r.Do(q)
			if err != nil {
				first <- err.Error()
				return
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			first <- string(text)
		}()
		r.err.await(t, "Watchdog mode")
		if contract == "of" {
			r.err.await(t, "here")
		} else {
			r.err.await(t, "Forking fprocess")
		}
		a := r.ask("GET", "/", nil)
		if a.status != 429 || !strings.Contains(a.body, "1") || a.header.Get(internalHeader) != "faas-middleware" {
			t.Errorf("%s: got %d %q %v", contract, a.status, a.body, a.header)
		}
		if a := r.ask("GET", "/_/health", nil); a.status != 200 {
			t.Errorf("%s: health: %d", contract, a.status)
		}
		if a := r.ask("GET", "/_/ready", nil); a.status != 429 {
			t.Errorf("%s: readiness: %d", contract, a.status)
		}
		_, _ = io.WriteString(pw, "whole")
		pw.Close()
		if got := <-first; got != "whole" {
			t.Errorf("%s: the first got %q", contract, got)
		}
		if a := r.ask("POST", "/", strings.NewReader("again")); a.status != 200 || a.body != "again" {
			t.Errorf("%s: afterwards: %d %q", contract, a.status, a.body)
		}
	}
}

func TestStopLetsRequestsEnd(t *testing.T) {
	t.Parallel()
	for _, p := range []place{hosted, alone} {
		r := startHTTP(t, p)
		res := r.send("GET", "/gate", nil)
		lines := bufio.NewReader(res.Body)
		readLine(t, lines)
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		r.err.await(t, "draining: 1 requests")
		if Healthy([]string{"TMPDIR=" + r.tmp}) {
			t.Errorf("%s: the lock is there while it stops", p)
		}
		released, err := http.Get(r.upstream + "/release")
		if err != nil {
			t.Fatal(err)
		}
		released.Body.Close()
		if got := readLine(t, lines); got != "two\n" {
			t.Errorf("%s: got %q", p, got)
		}
		res.Body.Close()
		if code := r.wait(); code != 0 {
			t.Errorf("%s: exit code %d", p, code)
		}
	}
}

func TestStopDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	t.Run("forked", func(t *testing.T) {
		t.Parallel()
		r := start(t, "of", "write_timeout=1s", "exec_timeout=0", "fprocess="+script(t, "echo $$; exec sleep 1000"))
		res := r.send("GET", "/", nil)
		defer res.Body.Close()
		handles := hold(t, pids(t, res.Body))
		if code := r.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		gone(t, handles)
	})
	t.Run("upgraded", func(t *testing.T) {
		t.Parallel()
		r := startHTTP(t, alone, "write_timeout=1s")
		r.ready()
		c := r.raw()
		if _, err := io.WriteString(c, "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
			t.Fatal(err)
		}
		if code := r.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("a server that does not listen to SIGTERM", func(t *testing.T) {
		t.Parallel()
		r := start(t, "of", "mode=http", "upstream_url=http://127.0.0.1:"+freePorts(t, 1)[0], "fprocess="+script(t, "trap '' TERM; echo $$; sleep 1000"), "prefix_logs=false")
		r.out.await(t, "\n")
		handles := hold(t, pids(t, strings.NewReader(r.out.String())))
		if code := r.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		gone(t, handles)
	})
}

func TestTheFunctionsServerIsAskedToEnd(t *testing.T) {
	t.Parallel()
	port := freePorts(t, 1)[0]
	r := start(t, "of", "mode=http", "upstream_url=http://127.0.0.1:"+port, "prefix_logs=false",
		"fprocess="+script(t, "trap 'echo bye; exit 0' TERM; echo here; while :; do read line; done"))
	r.out.await(t, "here")
	if code := r.stop(); code != 0 || !r.out.has("bye") {
		t.Errorf("exit code %d, printed %q", code, r.out)
	}
}

// TestThoseWhoSendAreToldFirst is about healthcheck_interval: alone, requests
// are still taken for as long.
func TestThoseWhoSendAreToldFirst(t *testing.T) {
	t.Parallel()
	r := startIn(t, alone, "of", "fprocess=cat", "healthcheck_interval=1s")
	r.ready()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.err.await(t, "SIGTERM: no new connections in 1s")
	if a := r.ask("GET", "/_/health", nil); a.status != 503 {
		t.Errorf("health: %d", a.status)
	}
	if a := r.ask("POST", "/", strings.NewReader("late")); a.status != 200 || a.body != "late" {
		t.Errorf("got %d %q", a.status, a.body)
	}
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	// The platform has stopped sending before it asks.
	r = startIn(t, hosted, "of", "fprocess=cat", "healthcheck_interval=10s")
	r.ready()
	began := time.Now()
	if code := r.stop(); code != 0 || time.Since(began) > 8*time.Second {
		t.Errorf("hosted: exit code %d after %v", code, time.Since(began))
	}
}

func TestRequestTimeouts(t *testing.T) {
	t.Parallel()
	for _, contract := range []string{"of", "classic"} {
		r := start(t, contract, "write_timeout=300ms", "fprocess="+script(t, "sleep 1000 >/dev/null & wait"), "exec_timeout=600ms")
		if res, err := r.Get(r.url); err == nil {
			if _, err = io.ReadAll(res.Body); err == nil {
				t.Errorf("%s: write_timeout: got %d", contract, res.StatusCode)
			}
			res.Body.Close()
		}
		r = start(t, contract, "read_timeout=300ms", "fprocess=cat")
		c := r.raw()
		if _, err := io.WriteString(c, "GET / HT"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("%s: read_timeout: %v", contract, err)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	for _, contract := range []string{"of", "classic"} {
		r := startIn(t, alone, contract, "fprocess=cat", "max_inflight=5")
		r.ready()
		r.ask("POST", "/", strings.NewReader("x"))
		r.ask("POST", "/", strings.NewReader("x"))
		r.ask("BREW", "/", nil)
		r.ask("GET", "/_/health", nil)
		res, err := r.Get(r.metrics)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		unknown := map[string]string{"of": "200", "classic": "405"}[contract]
		for _, want := range []string{
			`http_requests_total{code="200",method="post"} 2`, `http_requests_total{code="` + unknown + `",method="unknown"} 1`,
			`http_request_duration_seconds_count{code="200",method="post"} 2`, `http_request_duration_seconds_bucket{code="200",method="post",le="0.005"}`,
			"http_requests_in_flight 0", "go_goroutines ", "process_open_fds ",
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %s in\n%s", contract, want, text)
			}
		}
		if strings.Contains(string(text), `method="get"`) {
			t.Errorf("%s: the watchdog's own paths are counted", contract)
		}
	}
}

// TestThePlatformsConnectionsStayOpen: it could be sending a call at the moment
// an idle one is closed.
func TestThePlatformsConnectionsStayOpen(t *testing.T) {
	t.Parallel()
	for p, want := range map[place]error{hosted: os.ErrDeadlineExceeded, alone: io.EOF} {
		r := startIn(t, p, "of", "fprocess=cat", "read_timeout=100ms", "write_timeout=100ms")
		c := r.raw()
		if _, err := io.WriteString(c, "GET /_/health HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(c)
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := br.ReadByte(); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", p, err, want)
		}
	}
}

// TestHostedHasOneDoor: inside an instance there is the socket and no other.
func TestHostedHasOneDoor(t *testing.T) {
	t.Parallel()
	ports := freePorts(t, 2)
	r := start(t, "of", "fprocess=cat", "port="+ports[0], "metrics_port="+ports[1])
	r.ready()
	for _, port := range ports {
		if res, err := http.Get("http://127.0.0.1:" + port); err == nil {
			res.Body.Close()
			t.Errorf("something listens on %s", port)
		}
	}
}

func TestModeStatic(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"index.html": "<h1>home</h1>", "a/b.txt": "text"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []place{hosted, alone} {
		r := startIn(t, p, "of", "mode=static", "static_path="+dir)
		for path, want := range map[string]answer{
			"/": {status: 200, body: "<h1>home</h1>"}, "/a/b.txt": {status: 200, body: "text"}, "/none": {status: 404}, "/link": {status: 404},
			"/a/../../../etc/passwd": {status: 404}, "/..%2f..%2fetc/passwd": {status: 404},
		} {
			a := r.ask("GET", path, nil)
			if want.status == 404 && a.status < 400 || want.status == 200 && (a.status != 200 || a.body != want.body) {
				t.Errorf("%s: got %d %q", path, a.status, a.body)
			}
		}
		r.stop()
		checkPrinted(t, r.err, []string{date + "GET /a/b.txt - 200 - ContentLength: 4B "})
	}
	r := start(t, "of", "mode=static", "static_path="+filepath.Join(dir, "none"))
	if code := r.wait(); code == 0 || code == leaked {
		t.Errorf("exit code %d", code)
	}
}

func TestAPortThatIsTakenIsTold(t *testing.T) {
	t.Parallel()
	r := startIn(t, alone, "of", "fprocess=cat")
	second := exec.Command(os.Args[0], "watchdog", "of")
	second.Env = append(r.cmd.Env, "TMPDIR="+t.TempDir())
	if out, err := second.CombinedOutput(); second.ProcessState.ExitCode() != fn.ExitCode(fn.Unavailable) || !strings.Contains(string(out), "address already in use") {
		t.Errorf("%v\n%s", err, out)
	}
}
