package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// forkAims are what the original classic watchdog took at one connection.
var forkAims = map[string]time.Duration{"cat": 1600 * time.Microsecond, "go": 3200 * time.Microsecond}

const echoGo = `package main

import (
	"io"
	"os"
)

func main() { io.Copy(os.Stdout, os.Stdin) }
`

// forkInput is the body of each call.
const forkInput = "hello, world"

// forkSide is one way to run a program for a piece of input.
type forkSide struct {
	name string
	call func() error
	took []time.Duration
}

// fork compares programs that run for one request each: the watchdogs beside
// a bare loop of fork and exec, in turn.
func fork(ctx context.Context, h *host, o options) error {
	const calls = 200 // of each side in each alternation
	fmt.Printf("\n== a program for each request: one connection, %d alternations of %d calls\n", o.rounds, calls)
	programs, err := h.forkPrograms(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"cat", "go"} {
		sides := []*forkSide{{name: "fork and exec", call: func() error { return bareFork(programs[name]) }}}
		for _, contract := range []string{"--", "--classic", "--of"} {
			call, stop, err := h.watchdog(ctx, contract, programs[name])
			if err != nil {
				return err
			}
			defer stop()
			sides = append(sides, &forkSide{name: "watchdog " + contract, call: call})
		}
		for round := range o.rounds + 1 { // the first one warms up
			for _, s := range sides {
				if err := s.run(calls, round > 0); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
		reportForks(name, sides)
	}
	return nil
}

func (s *forkSide) run(calls int, count bool) error {
	for range calls {
		began := time.Now()
		if err := s.call(); err != nil {
			return err
		}
		if count {
			s.took = append(s.took, time.Since(began))
		}
	}
	return nil
}

func reportForks(name string, sides []*forkSide) {
	fmt.Printf("  %-20s %10s %10s %10s\n", name, "p50", "p99", "÷ bare")
	bare := median(sides[0].took)
	for _, s := range sides {
		p50 := median(s.took)
		aim := ""
		if s != sides[0] {
			aim = fmt.Sprintf("   aim ≤ %v: %s", forkAims[name], verdict(p50 <= forkAims[name]))
		}
		fmt.Printf("  %-20s %10s %10s %10.2f%s\n", s.name, ms(p50), ms(quantile(s.took, 0.99)), float64(p50)/float64(bare), aim)
	}
}

// forkPrograms are the programs that run: one of the system's, a static one.
func (h *host) forkPrograms(ctx context.Context) (map[string]string, error) {
	cat, err := exec.LookPath("cat")
	if err != nil {
		return nil, err
	}
	dir, err := h.write("echo", map[string]string{"main.go": echoGo, "go.mod": "module echo\n\ngo 1.26\n"})
	if err != nil {
		return nil, err
	}
	static := filepath.Join(dir, "echo")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", static, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the static program: %w\n%s", err, out)
	}
	return map[string]string{"cat": cat, "go": static}, nil
}

func bareFork(program string) error {
	cmd := exec.Command(program)
	cmd.Stdin = strings.NewReader(forkInput)
	out, err := cmd.Output()
	if err == nil && string(out) != forkInput {
		err = fmt.Errorf("it said %q", out)
	}
	return err
}

// watchdog starts the program's watchdog as a process and returns what makes
// one call.
func (h *host) watchdog(ctx context.Context, contract, program string) (call func() error, stop func(), err error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, nil, err
	}
	side, err := freeAddr()
	if err != nil {
		return nil, nil, err
	}
	tmp, err := os.MkdirTemp(h.dir, "w")
	if err != nil {
		return nil, nil, err
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + tmp, "fprocess=" + program, "port=" + portOf(addr), "metrics_port=" + portOf(side), "healthcheck_interval=0"}
	cmd := exec.CommandContext(ctx, h.binary, "watchdog", contract)
	if contract == "--" { // it has no door of its own
		cmd.Args = append(cmd.Args, program)
		door, err := listenFile(addr)
		if err != nil {
			return nil, nil, err
		}
		defer door.Close()
		cmd.ExtraFiles = []*os.File{door}
	}
	cmd.Env, cmd.Stderr = env, io.Discard
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{}
	c := &http.Client{Transport: transport}
	call = func() error { return postFork(c, "http://"+addr) }
	stop = func() {
		transport.CloseIdleConnections()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	for range 2000 {
		if err = call(); err == nil {
			return call, stop, nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	stop()
	return nil, nil, fmt.Errorf("watchdog %s does not answer: %w", contract, err)
}

func postFork(c *http.Client, url string) error {
	res, err := c.Post(url, "text/plain", strings.NewReader(forkInput))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(body) != forkInput) {
		err = fmt.Errorf("status %d: %q", res.StatusCode, body)
	}
	return err
}

// listenFile opens a listening socket to be inherited.
func listenFile(addr string) (*os.File, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.(*net.TCPListener).File()
}
