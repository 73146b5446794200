package e2e

// hello is a small Go function: the fastest thing to start.
func (s *server) hello(extra string) string {
	return s.write(map[string]string{
		"rouse.yaml": "name: hello\nruntime: go\n" + extra,
		"go.mod":     "module hello\n\ngo 1.26\n",
		"handler.go": `// Package function says hello.
package function

import (
	"io"
	"net/http"
)

// Handle answers with a constant.
func Handle(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "hello\n")
}
`,
	})
}

// badFunction misbehaves on request: the path says how.
const badFunction = `package function

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

func Handle(w http.ResponseWriter, r *http.Request) {
	switch strings.Trim(r.URL.Path, "/") {
	case "ok":
		fmt.Fprintln(w, "fine")
	case "exit":
		fmt.Fprintln(os.Stderr, "I have had enough")
		os.Exit(3)
	case "hang":
		select {}
	case "oom":
		var hoard [][]byte
		for {
			b := make([]byte, 1<<20)
			rand.Read(b)
			hoard = append(hoard, b)
			_ = hoard
		}
	case "forks":
		n := 0
		for range 5000 {
			if err := exec.Command("/usr/bin/sleep", "30").Start(); err != nil {
				break
			}
			n++
		}
		fmt.Fprintf(w, "%d\n", n)
	case "tmp":
		f, err := os.Create("/tmp/full")
		if err == nil {
			b := make([]byte, 1<<20)
			for range 10000 {
				if _, err = f.Write(b); err != nil {
					break
				}
			}
			f.Close()
			os.Remove("/tmp/full")
		}
		fmt.Fprintln(w, err)
	case "logs":
		out := bufio.NewWriterSize(os.Stdout, 1<<16)
		line := strings.Repeat("x", 99) + "\n"
		for range 1 << 30 / 100 {
			out.WriteString(line)
		}
		out.Flush()
		fmt.Fprintln(w, "printed")
	case "garbage":
		b := make([]byte, 1<<20)
		rand.Read(b)
		os.Stdout.Write(b)
		fmt.Fprintln(w, "printed")
	case "headers":
		h, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer h.Close()
		h.Write([]byte("HTTP/1.1 200 OK\r\n"))
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(h, "X-%d: %s\r\n", i, strings.Repeat("y", 100)); err != nil {
				return
			}
		}
	case "half":
		w.Header().Set("Content-Length", "1000000")
		w.Write(make([]byte, 1000))
		w.(http.Flusher).Flush()
		os.Exit(4)
	case "slow":
		time.Sleep(300 * time.Millisecond)
		fmt.Fprintln(w, "done")
	default:
		http.NotFound(w, r)
	}
}
`

// bad is the source of a function that misbehaves.
func (s *server) bad(extra string) string {
	return s.write(map[string]string{
		"rouse.yaml": "name: bad\nruntime: go\n" + extra,
		"go.mod":     "module bad\n\ngo 1.26\n",
		"handler.go": badFunction,
	})
}
