package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"
)

// portPy is a server as many a function has one: Python's own, which sends the
// head and the body of its answers apart.
const portPy = `import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) or 1))
        self.end_headers()
        self.wfile.write(body or b"\n")

    do_POST = do_GET

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
`

// port compares calls of a function that listens on a port itself, through the
// server and directly, for small and larger bodies.
func port(ctx context.Context, h *host, o options) error {
	calls := 40 * o.rounds
	fmt.Printf("\n== a function with a server of its own (Python's): one connection, %d calls of each side in turn\n", calls)
	dir, err := h.write("port", map[string]string{"rouse.yaml": "name: port\nruntime: python\nmode: server\nscale: {max: 1}\n", "main.py": portPy})
	if err != nil {
		return err
	}
	if err := h.rouse(ctx, "deploy", dir); err != nil {
		return err
	}
	direct, stop, err := h.python(ctx, filepath.Join(dir, "main.py"))
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("  %-10s %14s %14s %12s %12s\n", "body", "direct p50", "rouse p50", "rouse p99", "÷ direct")
	for _, size := range []int{12, 100 << 10} {
		ours, theirs, err := alternate(calls, size, h.server.url+"/function/port", direct)
		if err != nil {
			return err
		}
		fmt.Printf("  %-10d %14s %14s %12s %12.2f\n", size, ms(median(theirs)), ms(median(ours)), ms(quantile(ours, 0.99)), float64(median(ours))/float64(median(theirs)))
	}
	return nil
}

// alternate posts a body to one address, then to the other.
func alternate(calls, size int, a, b string) (ofA, ofB []time.Duration, err error) {
	body := bytes.Repeat([]byte("x"), size)
	ca, cb := &http.Client{Transport: &http.Transport{}}, &http.Client{Transport: &http.Transport{}}
	for i := range calls + 5 {
		da, err := timedPost(ca, a, body)
		if err != nil {
			return nil, nil, err
		}
		db, err := timedPost(cb, b, body)
		if err != nil {
			return nil, nil, err
		}
		if i >= 5 { // the first ones connect
			ofA, ofB = append(ofA, da), append(ofB, db)
		}
	}
	return ofA, ofB, nil
}

func timedPost(c *http.Client, url string, body []byte) (time.Duration, error) {
	began := time.Now()
	res, err := c.Post(url, "text/plain", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err == nil && !bytes.Equal(got, body) {
		err = fmt.Errorf("%s: status %d, %d bytes came back of %d", url, res.StatusCode, len(got), len(body))
	}
	return time.Since(began), err
}

// python runs a server outside the sandbox.
func (h *host) python(ctx context.Context, file string) (url string, stop func(), err error) {
	addr, err := freeAddr()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, "/usr/bin/python3", file)
	cmd.Env = []string{"PORT=" + portOf(addr)}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	return "http://" + addr, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }, await("http://" + addr)
}
