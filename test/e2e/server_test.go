// Package e2e drives the built program the way its users do: command line,
// HTTP, signals.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rouse.dev/rouse/api"
)

// binary is the program under test: $ROUSE_BIN, or built here once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		binary = os.Getenv("ROUSE_BIN")
		if binary == "" {
			dir, err := os.MkdirTemp("", "rouse-e2e")
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			defer os.RemoveAll(dir)
			binary = filepath.Join(dir, "rouse")
			build := exec.Command("go", "build", "-o", binary, "rouse.dev/rouse/cmd/rouse")
			if out, err := build.CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "building rouse: %v\n%s", err, out)
				return 1
			}
		}
		dir, err := os.MkdirTemp("", "rouse-caches")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		caches = dir
		return m.Run()
	}())
}

// caches holds what build tools cache, for all servers of the tests: the Go
// standard library is compiled once, not once for each.
var caches string

// needRoot skips a test that needs the full sandbox.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: full sandboxes, control groups and network namespaces")
	}
}

// server is a running rouse.
type server struct {
	t        *testing.T
	url      string
	data     string
	listen   string
	cmd      *exec.Cmd
	out      *syncBuffer
	exited   chan error
	password string
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// start runs a server on a data folder of its own and stops it, checking that
// it leaves nothing behind, when the test ends.
func start(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, data: filepath.Join(shortTemp(t), "data"), listen: freeAddress(t)}
	s.url = "http://" + s.listen
	s.run()
	t.Cleanup(func() {
		s.stop()
		s.mustLeaveNothing()
	})
	return s
}

// freeAddress is one nobody listens at. Its port is below those the kernel gives
// to clients, so that nobody takes it while a killed server is away.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(12_000)))
		if err == nil {
			l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// shortTemp is a temporary folder with a short name: socket paths are limited.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// run starts the program and waits until it is ready.
func (s *server) run() {
	s.t.Helper()
	s.out = &syncBuffer{}
	s.cmd = exec.Command(binary, "up", "--listen", s.listen, "--data", s.data, "--set", "build.cache="+caches,
		"--set", "async.callbackNetworks=127.0.0.0/8")
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan error, 1)
	cmd := s.cmd
	go func() { exited <- cmd.Wait() }()
	s.exited = exited
	s.waitFor("ready", 30*time.Second, func() bool {
		select {
		case err := <-exited:
			s.t.Fatalf("the server ended: %v\n%s", err, s.out)
		default:
		}
		res, err := http.Get(s.url + "/healthz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	pw, err := os.ReadFile(filepath.Join(s.data, "admin-password"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.password = strings.TrimSpace(string(pw))
}

// stop ends the server in an orderly way.
func (s *server) stop() {
	s.t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		if err != nil {
			s.t.Errorf("stopping the server: %v\n%s", err, tail(s.out.String(), 40))
		}
	case <-time.After(60 * time.Second):
		_ = s.cmd.Process.Kill()
		s.t.Errorf("the server did not stop within a minute\n%s", tail(s.out.String(), 40))
	}
	s.cmd = nil
}

// kill ends the server without a warning.
func (s *server) kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// waitFor polls until cond holds. It is how a test waits for another process.
func (s *server) waitFor(what string, most time.Duration, cond func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), most)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("waited %v for %s\n%s", most, what, tail(s.out.String(), 40))
		case <-tick.C:
		}
	}
}

// rouse runs a command of the program against the server.
func (s *server) rouse(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "ROUSE_URL="+s.url, "ROUSE_DATA="+s.data, "NO_COLOR=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("rouse %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// must runs a command that has to succeed.
func (s *server) must(args ...string) string {
	s.t.Helper()
	out, err := s.rouse(args...)
	if err != nil {
		s.t.Fatalf("%v\nserver:\n%s", err, tail(s.out.String(), 40))
	}
	return out
}

// api calls the management API; in and out may be nil.
func (s *server) api(method, path string, in, out any) (int, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth("admin", s.password)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err == nil && out != nil {
		err = json.Unmarshal(b, out)
	}
	return res.StatusCode, err
}

// function describes a function of the default namespace.
func (s *server) function(name string) api.Function {
	s.t.Helper()
	var f api.Function
	if status, err := s.api("GET", "/v1/namespaces/default/functions/"+name, nil, &f); err != nil || status != 200 {
		s.t.Fatalf("describing %s: status %d, %v", name, status, err)
	}
	return f
}

// scale asks for a number of instances.
func (s *server) scale(name string, n int) {
	s.t.Helper()
	status, err := s.api("POST", "/v1/namespaces/default/functions/"+name+"/scale", api.ScaleRequest{Replicas: &n}, nil)
	if err != nil || status != 200 {
		s.t.Fatalf("scaling %s: status %d, %v", name, status, err)
	}
}

// call sends one request to a function and returns status and body.
func (s *server) call(name, body string) (int, string, http.Header) {
	s.t.Helper()
	status, b, h, err := s.tryCall(http.DefaultClient, name, body)
	if err != nil {
		s.t.Fatalf("calling %s: %v", name, err)
	}
	return status, b, h
}

func (s *server) tryCall(c *http.Client, name, body string) (int, string, http.Header, error) {
	res, err := c.Post(s.url+"/function/"+name, "text/plain", strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	return res.StatusCode, string(b), res.Header, err
}

// write makes a source folder with these files and returns its path.
func (s *server) write(files map[string]string) string {
	s.t.Helper()
	dir := s.t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	return dir
}

// tail returns the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
