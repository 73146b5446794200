package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/memnet"
	"rouse.dev/rouse/internal/route"
)

func TestParallelFirstCallsAllWait(t *testing.T) {
	r := newRig(t, rigConfig{start: 20 * time.Millisecond, functions: map[string]function{"echo": handler(echo)}})
	c := r.client()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			res, err := c.Get(r.url + "/function/echo")
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "GET / " {
				t.Errorf("%d %q", res.StatusCode, b)
			}
		})
	}
	wg.Wait()
	if n := r.engine.starts.Load(); n != 1 {
		t.Errorf("%d starts for calls one instance can take", n)
	}
	res, _ := get(t, c, r.url+"/function/echo")
	if h := res.Header.Get("X-Rouse-Start"); h != "" {
		t.Errorf("a warm call says %q", h)
	}
}

// bubble runs a gateway over a network in memory, under virtual time.
func bubble(t *testing.T, cfg Config, f func(dial func() net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		cfg.Routes = route.New()
		s := New(cfg)
		ln := memnet.Listen()
		done := make(chan error, 1)
		go func() { done <- s.Serve(t.Context(), ln) }()
		f(func() net.Conn {
			c, err := ln.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return c
		})
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTimeoutsOfConnectionsUnderVirtualTime(t *testing.T) {
	cfg := Config{HeadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	for name, tc := range map[string]struct {
		words string
		after time.Duration
	}{
		"silent":      {"", cfg.IdleTimeout},
		"half a head": {"GET /function/f HTTP/1.1\r\n", cfg.HeadTimeout},
		"answered":    {"GET /function/f HTTP/1.1\r\nHost: a\r\n\r\n", cfg.IdleTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, cfg, func(dial func() net.Conn) {
				c := dial()
				defer c.Close()
				began := time.Now()
				io.WriteString(c, tc.words)
				if _, err := io.Copy(io.Discard, c); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took < tc.after || took > tc.after+2*sweepIdle {
					t.Errorf("closed after %v, want %v", took, tc.after)
				}
			})
		})
	}
}

func TestADribbledHeadGetsItsTimeOnce(t *testing.T) {
	bubble(t, Config{HeadTimeout: 10 * time.Second}, func(dial func() net.Conn) {
		c := dial()
		defer c.Close()
		began := time.Now()
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for range 60 { // a byte each second keeps nothing alive
			if _, err := io.WriteString(c, "G"); err != nil {
				break
			}
			<-tick.C
		}
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("kept open for %v", took)
		}
	})
}

func TestServeEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Routes: route.New(), Log: slog.New(slog.DiscardHandler)})
		ln := memnet.Listen()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, ln) }()
		c, err := ln.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAnIdleConnectionCostsLittleMemory(t *testing.T) {
	const n = 2000
	r := newRig(t, rigConfig{functions: map[string]function{"echo": handler(echo)}, quiet: true})
	conns := make([]net.Conn, n)
	memory := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	before := memory()
	for i := range conns {
		conns[i] = r.dial()
		fmt.Fprintf(conns[i], "GET /function/echo HTTP/1.1\r\nHost: a\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReaderSize(conns[i], 512), nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
	}
	each := (memory() - before) / n // our test's own end of each connection included
	t.Logf("%d bytes for each idle connection", each)
	if each > 8<<10 && !raceEnabled {
		t.Errorf("an idle connection costs %d bytes", each)
	}
}
