package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const handlerGo = `// Package function answers with a constant.
package function

import "net/http"

var answer = []byte("hello\n")

// Handle is the same for every side of the comparison.
func Handle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	w.Write(answer)
}
`

const directGo = `package main

import (
	"net/http"
	"os"

	function "hello"
)

func main() {
	if err := http.ListenAndServe(os.Args[1], http.HandlerFunc(function.Handle)); err != nil {
		panic(err)
	}
}
`

// side is one way to reach the handler.
type side struct {
	name string
	url  string
	pids func() []int // processes between client and function

	behind func() []int // processes of the function; nil: not measured

	rate           []float64 // calls a second
	p50, p99       []time.Duration
	cpu, cpuBehind []float64 // µs each call
	errors         int
}

// warm compares the warm path at 1, 32 and 128 connections.
func warm(ctx context.Context, h *host, o options) error {
	fmt.Printf("\n== warm calls: wrk, %d alternations of %v, everything on the same processors\n", o.rounds, o.period)
	direct, stopDirect, err := h.direct(ctx)
	if err != nil {
		return err
	}
	defer stopDirect()
	if err := h.rouse(ctx, "deploy", filepath.Join(h.dir, "hello")); err != nil {
		return err
	}
	server := h.server.cmd.Process.Pid
	mk := func() []*side {
		return []*side{
			{name: "direct", url: direct, pids: func() []int { return nil }},
			{name: "rouse", url: h.server.url + "/function/hello", pids: func() []int { return []int{server} }},
		}
	}
	nginx, stopNginx, err := h.nginx(ctx, direct)
	if err != nil {
		fmt.Println("nginx is left out:", err)
	} else {
		defer stopNginx()
		old := mk
		mk = func() []*side {
			return append(old(), &side{name: "nginx", url: nginx.url, pids: func() []int { return children(nginx.pid) }})
		}
	}
	for _, conns := range []int{1, 32, 128} {
		sides := mk()
		for round := range o.rounds + 1 { // the first one warms up and is not counted
			for _, s := range sides {
				if err := s.load(ctx, conns, o.period, round > 0); err != nil {
					return err
				}
			}
		}
		report(conns, sides)
	}
	return nil
}

func report(conns int, sides []*side) {
	direct := sides[0]
	fmt.Printf("%3d connections  %12s %10s %10s %12s %10s %7s\n", conns, "calls/s", "p50", "p99", "CPU a call", "÷ direct", "errors")
	for _, s := range sides {
		cpu := "–"
		if s != direct {
			cpu = fmt.Sprintf("%.0f µs", median(s.cpu))
		}
		r := median(ratios(s.rate, direct.rate))
		fmt.Printf("  %-14s %12.0f %10s %10s %12s %10.2f %7d\n", s.name, median(s.rate), us(median(s.p50)), us(median(s.p99)), cpu, r, s.errors)
		if s.name == "rouse" && conns == 32 {
			fmt.Printf("  aim: rouse ÷ direct ≥ 0.5: %s; CPU a call ≤ 60 µs: %s\n", verdict(r >= 0.5), verdict(median(s.cpu) <= 60))
		}
	}
}

// load runs wrk once.
func (s *side) load(ctx context.Context, conns int, period time.Duration, count bool) error {
	before, beforeBehind := cpu(s.pids()...), s.cpuOfFunction()
	threads := min(conns, 2)
	out, err := exec.CommandContext(ctx, "wrk", "-t", strconv.Itoa(threads), "-c", strconv.Itoa(conns),
		"-d", fmt.Sprintf("%ds", int(period.Seconds())), "--latency", s.url).CombinedOutput()
	if err != nil {
		return fmt.Errorf("wrk against %s: %w\n%s", s.name, err, out)
	}
	used, usedBehind := cpu(s.pids()...)-before, s.cpuOfFunction()-beforeBehind
	r, err := parseWrk(string(out))
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if !count {
		return nil
	}
	s.rate = append(s.rate, r.rate)
	s.p50 = append(s.p50, r.p50)
	s.p99 = append(s.p99, r.p99)
	s.cpu = append(s.cpu, float64(used.Microseconds())/float64(max(r.calls, 1)))
	s.cpuBehind = append(s.cpuBehind, float64(usedBehind.Microseconds())/float64(max(r.calls, 1)))
	s.errors += r.errors
	return nil
}

func (s *side) cpuOfFunction() time.Duration {
	if s.behind == nil {
		return 0
	}
	return cpu(s.behind()...)
}

// wrkResult is what one run of wrk says.
type wrkResult struct {
	rate     float64
	calls    int
	p50, p99 time.Duration
	errors   int
}

var (
	wrkRate  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkCalls = regexp.MustCompile(`(\d+) requests in`)
	wrkQ     = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([0-9.]+)(us|ms|s)`)
	wrkBad   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)|Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

func parseWrk(out string) (r wrkResult, err error) {
	m := wrkRate.FindStringSubmatch(out)
	n := wrkCalls.FindStringSubmatch(out)
	if m == nil || n == nil {
		return r, fmt.Errorf("wrk said something unexpected:\n%s", out)
	}
	r.rate, _ = strconv.ParseFloat(m[1], 64)
	r.calls, _ = strconv.Atoi(n[1])
	for _, q := range wrkQ.FindAllStringSubmatch(out, -1) {
		d, err := time.ParseDuration(q[2] + q[3])
		if err != nil {
			return r, err
		}
		if q[1] == "50" {
			r.p50 = d
		} else {
			r.p99 = d
		}
	}
	for _, bad := range wrkBad.FindAllStringSubmatch(out, -1) {
		for _, n := range bad[1:] {
			v, _ := strconv.Atoi(n)
			r.errors += v
		}
	}
	return r, nil
}

// direct builds the handler as a plain server and runs it.
func (h *host) direct(ctx context.Context) (url string, stop func(), err error) {
	dir, err := h.write("hello", map[string]string{
		"rouse.yaml": "name: hello\nruntime: go\nscale: {max: 1, concurrency: 1000}\nlimits: {cpu: 2}\n",
		"go.mod":     "module hello\n\ngo 1.26\n", "handler.go": handlerGo,
	})
	if err != nil {
		return "", nil, err
	}
	main, err := h.write("direct", map[string]string{
		"go.mod":  "module direct\n\ngo 1.26\n\nrequire hello v0.0.0\n\nreplace hello => " + dir + "\n",
		"main.go": directGo,
	})
	if err != nil {
		return "", nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", "direct", ".")
	build.Dir = main
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("building the direct server: %w\n%s", err, out)
	}
	addr, err := freeAddr()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(main, "direct"), addr)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	return "http://" + addr, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }, await("http://" + addr)
}

// await waits until a server answers.
func await(url string) error {
	var err error
	for range 1000 {
		if _, err = get(url); err == nil {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

type proxy struct {
	url string
	pid int
}

// nginx runs Debian's nginx as a proxy in front of the direct server.
func (h *host) nginx(ctx context.Context, target string) (p proxy, stop func(), err error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		return p, nil, fmt.Errorf("it is not installed: run test/setup.sh as root")
	}
	addr, err := freeAddr()
	if err != nil {
		return p, nil, err
	}
	dir, err := h.write("nginx", map[string]string{"nginx.conf": fmt.Sprintf(`daemon off;
worker_processes 2;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	upstream function { server %[3]s; keepalive 256; }
	server {
		listen %[2]s;
		location / { proxy_pass http://function; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }
	}
}
`, filepath.Join(h.dir, "nginx"), addr, strings.TrimPrefix(target, "http://"))})
	if err != nil {
		return p, nil, err
	}
	cmd := exec.CommandContext(ctx, path, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", filepath.Join(dir, "error.log"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		return p, nil, err
	}
	stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() }
	if err := await("http://" + addr); err != nil {
		stop()
		return p, nil, err
	}
	return proxy{url: "http://" + addr, pid: cmd.Process.Pid}, stop, nil
}
