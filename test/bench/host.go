package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// host is a scratch folder with what the parts share.
type host struct {
	dir, binary string
	server      *server
}

// server is a running rouse.
type server struct {
	data, url string
	cmd       *exec.Cmd
	out       bytes.Buffer
}

func newHost(ctx context.Context, binary, dir string) (*host, error) {
	abs, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	h := &host{dir: dir, binary: abs}
	h.server, _, err = h.start(ctx, filepath.Join(dir, "d"))
	return h, err
}

func (h *host) close() {
	if h.server != nil {
		h.server.stop()
	}
}

// start runs a server on a data folder; took is the time until it was ready.
func (h *host) start(ctx context.Context, data string) (s *server, took time.Duration, err error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, 0, err
	}
	s = &server{data: data, url: "http://" + addr}
	s.cmd = exec.CommandContext(ctx, h.binary, "up", "--listen", addr, "--data", data)
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, 0, err
	}
	for time.Since(began) < 30*time.Second {
		if res, err := http.Get(s.url + "/healthz"); err == nil {
			res.Body.Close()
			return s, time.Since(began), nil
		}
		time.Sleep(time.Millisecond)
	}
	s.stop()
	return nil, 0, fmt.Errorf("the server did not get ready:\n%s", &s.out)
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// rouse runs a command of the program against the server.
func (h *host) rouse(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, h.binary, args...)
	cmd.Env = append(os.Environ(), "ROUSE_URL="+h.server.url, "ROUSE_DATA="+h.server.data, "NO_COLOR=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("rouse %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// write makes a folder of source files.
func (h *host) write(name string, files map[string]string) (string, error) {
	dir := filepath.Join(h.dir, name)
	for f, text := range files {
		path := filepath.Join(dir, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// get makes one call and returns the time to the first byte of the body.
func get(url string) (time.Duration, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	res, err := c.Get(url)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var b [1]byte
	if _, err := io.ReadFull(res.Body, b[:]); err != nil {
		return 0, err
	}
	took := time.Since(began)
	rest, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d: %s%s", res.StatusCode, b[:], rest)
	}
	return took, err
}

// cpu is the processor time that the processes have used.
func cpu(pids ...int) time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux we run on
	var sum time.Duration
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		user, _ := strconv.Atoi(f[11])
		sys, _ := strconv.Atoi(f[12])
		sum += time.Duration(user+sys) * tick
	}
	return sum
}

// rss is the resident memory of a process in bytes.
func rss(pid int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// children are the processes a process has started.
func children(pid int) []int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var pids []int
	for f := range strings.FieldsSeq(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// descendants are the processes a process has started, and those they have.
func descendants(pid int) []int {
	var all []int
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range tasks {
		b, _ := os.ReadFile(file)
		for f := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				all = append(append(all, n), descendants(n)...)
			}
		}
	}
	return all
}

// poster returns what posts forkInput to a path of the server, over one
// connection, and checks that it comes back.
func (h *host) poster(path string) func() error {
	c := &http.Client{Transport: &http.Transport{MaxIdleConns: 1}}
	return func() error { return postFork(c, h.server.url+path) }
}

// deployFork deploys files with a program among them as "echo".
func (h *host) deployFork(ctx context.Context, name, program string, files map[string]string) error {
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	files["echo"] = string(b)
	dir, err := h.write("fork-"+name, files)
	if err != nil {
		return err
	}
	return h.rouse(ctx, "deploy", dir)
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
