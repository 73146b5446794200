package e2e

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestExamplesAnswer(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", "-f", "../../examples/rouse.yaml")
	for _, c := range []struct{ name, in, want string }{
		{"fib", "10", "55"},
		{"markdown", "# Title\n\nSome *words*.", "<h1"},
		{"wordcount", "one two three\nfour", "4"},
		{"csv2json", "name,age\nAda,36\n", `"Ada"`},
	} {
		if status, body, _ := s.call(c.name, c.in); status != 200 || !strings.Contains(body, c.want) {
			t.Errorf("%s(%q): status %d, body %q; want %q in it", c.name, c.in, status, body, c.want)
		}
	}
	t.Run("thumbnail", func(t *testing.T) { thumbnail(t, s) })
	t.Run("clock", func(t *testing.T) { clock(t, s) })
}

// thumbnail sends a picture and wants a smaller one back.
func thumbnail(t *testing.T, s *server) {
	img := image.NewNRGBA(image.Rect(0, 0, 1200, 800))
	var in bytes.Buffer
	if err := png.Encode(&in, img); err != nil {
		t.Fatal(err)
	}
	status, body, h := s.call("thumbnail", in.String())
	out, _, err := image.DecodeConfig(strings.NewReader(body))
	if status != 200 || err != nil || out.Width >= 1200 || out.Width == 0 {
		t.Errorf("thumbnail: status %d, %dx%d, %v (%s)", status, out.Width, out.Height, err, h.Get("Content-Type"))
	}
}

// clock wants events one by one, not all at the end.
func clock(t *testing.T, s *server) {
	res, err := http.Get(s.url + "/function/clock")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "text/event-stream") {
		t.Errorf("clock answers %q", ct)
	}
	buf := make([]byte, 4096)
	var at []time.Time
	for len(at) < 2 {
		n, err := res.Body.Read(buf)
		if bytes.Contains(buf[:n], []byte("data:")) {
			at = append(at, time.Now())
		}
		if err != nil {
			t.Fatalf("the clock stopped after %d events: %v", len(at), err)
		}
	}
	if gap := at[1].Sub(at[0]); gap < 100*time.Millisecond {
		t.Errorf("two events %v apart: they were held back and came together", gap)
	}
}

func TestTwoHundredFirstCallsAtOnce(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", s.hello("scale: {max: 8, concurrency: 10}\n"))
	s.toZero("hello")
	var wg sync.WaitGroup
	var failed atomic.Int64
	var first atomic.Value
	for range 200 {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{}}
			defer c.CloseIdleConnections()
			if status, body, _, err := s.tryCall(c, "hello", ""); err != nil || status != 200 {
				failed.Add(1)
				first.CompareAndSwap(nil, fmt.Sprintf("%d %v %s", status, err, body))
			}
		})
	}
	wg.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of 200 first calls failed, one with: %v", failed.Load(), first.Load())
	}
	// One start was the probe of the deploy.
	if n := s.metric("rouse_instance_starts_total", `function="hello"`); n < 2 || n > 9 {
		t.Errorf("%v starts, want 2 to 1+8", n)
	}
}

// toZero takes all instances of a function away and waits until they are gone.
func (s *server) toZero(name string) {
	s.t.Helper()
	s.scale(name, 0)
	s.waitFor(name+" at zero", 20*time.Second, func() bool { return s.function(name).Status.Replicas.Total() == 0 })
}

// metric sums the samples of one metric whose labels contain sub.
func (s *server) metric(name, sub string) float64 {
	s.t.Helper()
	req, _ := http.NewRequestWithContext(s.t.Context(), "GET", s.url+"/metrics", nil)
	req.SetBasicAuth("admin", s.password)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	sum, seen := 0.0, false
	for line := range strings.SplitSeq(string(b), "\n") {
		if strings.HasPrefix(line, name) && strings.Contains(line, sub) {
			var v float64
			if _, err := fmt.Sscanf(line[strings.LastIndexByte(line, ' ')+1:], "%g", &v); err == nil {
				sum, seen = sum+v, true
			}
		}
	}
	if !seen {
		s.t.Fatalf("no sample of %s with %s in /metrics", name, sub)
	}
	return sum
}

func TestAThousandTimesFromZeroToCallToZero(t *testing.T) {
	needRoot(t)
	cycles := 1000
	if testing.Short() {
		cycles = 50
	}
	s := start(t)
	s.must("deploy", s.hello(""))
	began := time.Now()
	for i := range cycles {
		s.toZero("hello")
		if status, body, _ := s.call("hello", ""); status != 200 || body != "hello\n" {
			t.Fatalf("cycle %d: status %d, body %q\n%s", i, status, body, tail(s.out.String(), 20))
		}
	}
	t.Logf("%d cycles in %v, 0 errors", cycles, time.Since(began).Round(time.Millisecond))
	if n := s.metric("rouse_instance_starts_total", `function="hello"`); int(n) < cycles {
		t.Errorf("%v starts in %d cycles: some calls met a leftover instance", n, cycles)
	}
}

func TestChangesUnderLoadFailNoRequest(t *testing.T) {
	needRoot(t)
	total := 2 * time.Minute
	if testing.Short() {
		total = 15 * time.Second
	}
	s := start(t)
	s.must("deploy", s.hello("scale: {max: 6, concurrency: 8}\n"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var calls, failed atomic.Int64
	var first atomic.Value
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer c.CloseIdleConnections()
	for range 16 {
		wg.Go(func() {
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-stop:
					return
				case <-pace.C:
				}
				calls.Add(1)
				if status, body, _, err := s.tryCall(c, "hello", ""); err != nil || status != 200 || !strings.HasPrefix(body, "hello") {
					failed.Add(1)
					first.CompareAndSwap(nil, fmt.Sprintf("status %d, %v: %s", status, err, body))
				}
			}
		})
	}
	deadline := time.Now().Add(total)
	changes := 0
	for time.Now().Before(deadline) {
		s.must("deploy", s.hello(fmt.Sprintf("scale: {max: 6, concurrency: 8}\nenv: {ROUND: \"%d\"}\n", changes)))
		s.scale("hello", 4)
		s.must("rollback", "hello")
		s.scale("hello", 1)
		changes += 4
	}
	close(stop)
	wg.Wait()
	t.Logf("%d calls, %d failed, during %d changes", calls.Load(), failed.Load(), changes)
	if failed.Load() > 0 {
		t.Errorf("%d of %d calls failed during %d changes; the first: %v", failed.Load(), calls.Load(), changes, first.Load())
	}
	if calls.Load() < 500 || changes < 8 {
		t.Errorf("only %d calls and %d changes: the test proved nothing", calls.Load(), changes)
	}
}
