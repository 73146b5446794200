package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkCall compares ways to a function, all in one run and one process
// (client, gateway and function share its processors): the handler called
// directly over TCP, through this gateway, through httputil.ReverseProxy. The
// last two reach the same function over a Unix socket.
func BenchmarkCall(b *testing.B) {
	r := newRig(b, rigConfig{functions: map[string]function{"echo": handler(small)}, quiet: true})
	direct := httptest.NewServer(http.HandlerFunc(small))
	b.Cleanup(direct.Close)
	if res, err := http.Get(r.url + "/function/echo"); err != nil {
		b.Fatal(err)
	} else {
		res.Body.Close()
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	proxy := httptest.NewServer(reverseProxy(b, r.engine.last.Load().ln.Addr().String()))
	b.Cleanup(proxy.Close)
	for _, conns := range []int{1, 32, 128} {
		for _, way := range []struct{ name, addr string }{
			{"direct", strings.TrimPrefix(direct.URL, "http://")},
			{"rouse", r.addr},
			{"reverseproxy", strings.TrimPrefix(proxy.URL, "http://")},
		} {
			b.Run(fmt.Sprintf("conns=%d/%s", conns, way.name), func(b *testing.B) {
				b.ReportAllocs()
				load(b, way.addr, conns)
			})
		}
	}
}

func small(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello, world\n") }

func reverseProxy(b *testing.B, socket string) http.Handler {
	tr := &http.Transport{
		MaxIdleConnsPerHost: 512,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	b.Cleanup(tr.CloseIdleConnections)
	to := &url.URL{Scheme: "http", Host: "function"}
	return &httputil.ReverseProxy{Transport: tr, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
}

// load makes b.N calls over so many connections, one at a time on each.
func load(b *testing.B, addr string, conns int) {
	request := []byte("GET /function/echo HTTP/1.1\r\nHost: " + addr + "\r\nUser-Agent: bench\r\n\r\n")
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		wg.Go(func() {
			br := bufio.NewReader(c)
			for left.Add(-1) >= 0 {
				if _, err := c.Write(request); err != nil {
					b.Error(err)
					return
				}
				if err := skipAnswer(br); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// skipAnswer reads a 200 with the body of small.
func skipAnswer(br *bufio.Reader) error {
	for first := true; ; first = false {
		line, err := br.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !strings.HasPrefix(string(line), "HTTP/1.1 200 "):
			return fmt.Errorf("answer begins %q", line)
		case len(line) == 2:
			_, err := br.Discard(len("hello, world\n"))
			return err
		}
	}
}

// BenchmarkBody moves bodies of a mebibyte through the gateway.
func BenchmarkBody(b *testing.B) {
	const size = 1 << 20
	r := newRig(b, rigConfig{quiet: true, functions: map[string]function{
		"up":   handler(func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }),
		"down": handler(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, noise(size)) }),
		"known": handler(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(size))
			io.Copy(w, noise(size))
		}),
	}})
	c := &http.Client{Transport: &http.Transport{}}
	b.Cleanup(c.CloseIdleConnections)
	for _, name := range []string{"up", "down", "known"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				var body io.Reader
				if name == "up" {
					body = noise(size)
				}
				res, err := c.Post(r.url+"/function/"+name, "", body)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}
