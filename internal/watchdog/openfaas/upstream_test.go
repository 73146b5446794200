package openfaas

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

// echo is what the test's function saw of a request.
type echo struct {
	Method, URI, Host, Body string
	Header                  http.Header
	Encoding                []string
	Length                  int64
}

// beUpstream is a function's own server. With $GATE it listens only when
// somebody has opened that pipe for writing.
func beUpstream() {
	if gate := os.Getenv("GATE"); gate != "" {
		if _, err := os.ReadFile(gate); err != nil {
			panic(err)
		}
	}
	u, err := url.Parse(os.Getenv("upstream_url"))
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		panic(err)
	}
	release := make(chan struct{}, 100)
	mux := http.NewServeMux()
	mux.HandleFunc("/gate", func(w http.ResponseWriter, r *http.Request) { // answers in two pieces, the second when released
		if r.URL.RawQuery == "length" {
			w.Header().Set("Content-Length", "8")
		}
		_, _ = io.WriteString(w, "one\n")
		w.(http.Flusher).Flush()
		fmt.Println("gate reached")
		select {
		case <-release:
			_, _ = io.WriteString(w, "two\n")
		case <-r.Context().Done():
			fmt.Println("caller gone")
		}
	})
	mux.HandleFunc("/never", func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("never reached")
		<-r.Context().Done()
		fmt.Println("caller gone")
	})
	mux.HandleFunc("/release", func(http.ResponseWriter, *http.Request) { release <- struct{}{} })
	mux.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	mux.HandleFunc("/teapot", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Own", "mine")
		w.WriteHeader(http.StatusTeapot)
	})
	mux.HandleFunc("/print", func(http.ResponseWriter, *http.Request) {
		fmt.Println("to standard output")
		fmt.Fprintln(os.Stderr, "to standard error")
	})
	mux.HandleFunc("/back", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(flushing{w}, r.Body)
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "enough") })
	mux.HandleFunc("/upgrade", upgraded)
	mux.HandleFunc("/apart", apart)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(echo{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.TransferEncoding, r.ContentLength})
	})
	// Paths are for the test to see as they came: no mux may clean them.
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.RequestURI, "/echo") {
			r.URL.Path = "/"
		}
		mux.ServeHTTP(w, r)
	})))
}

type flushing struct{ http.ResponseWriter }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	f.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

// upgraded speaks another protocol: each line comes back.
func upgraded(w http.ResponseWriter, r *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			fmt.Println("upgraded over")
			return
		}
		if _, err := io.WriteString(c, "back "+line); err != nil {
			return
		}
	}
}

// apart answers for ever after on its connection, head and body sent apart and
// by a kernel that gathers small pieces.
func apart(w http.ResponseWriter, _ *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetNoDelay(false); err != nil {
		panic(err)
	}
	for {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
		_, _ = io.WriteString(c, "body")
		if _, err := http.ReadRequest(rw.Reader); err != nil {
			return
		}
	}
}

// startHTTP starts a watchdog in mode http around the test's function.
func startHTTP(t *testing.T, p place, vars ...string) *rig {
	t.Helper()
	port := freePorts(t, 1)[0]
	r := startIn(t, p, "of", append([]string{"mode=http", "fprocess=" + os.Args[0] + " upstream", "upstream_url=http://127.0.0.1:" + port}, vars...)...)
	r.upstream = "http://127.0.0.1:" + port
	return r
}

func parseEcho(t *testing.T, a answer) echo {
	t.Helper()
	var e echo
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("%d %q: %v", a.status, a.body, err)
	}
	return e
}

// readLine reads one line of a response that goes on.
func readLine(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}
