package gateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestEachPieceOfAnAnswerArrivesWhenItIsWritten(t *testing.T) {
	next := make(chan string)
	r := newRig(t, rigConfig{functions: map[string]function{"sse": handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		rc := http.NewResponseController(w)
		_ = rc.Flush()
		for s := range next {
			io.WriteString(w, s)
			_ = rc.Flush()
		}
	})}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		next = make(chan string)
		res, err := c.Get(r.url + "/function/sse")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		br := bufio.NewReader(res.Body)
		for i := range 5 { // the next is not written before the last was read
			want := fmt.Sprintf("data: %d\n", i)
			next <- want
			if got, err := br.ReadString('\n'); got != want || err != nil {
				t.Fatalf("got %q, %v; want %q", got, err, want)
			}
		}
		close(next)
		if rest, err := io.ReadAll(br); len(rest) != 0 || err != nil {
			t.Errorf("at the end %q, %v", rest, err)
		}
	})
}

func TestBothDirectionsStreamAtOnce(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"duplex": handler(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		_ = rc.Flush()
		br := bufio.NewReader(r.Body)
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(w, strings.ToUpper(line))
			_ = rc.Flush()
		}
	})}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		pr, pw := io.Pipe()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", r.url+"/function/duplex", pr)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		br := bufio.NewReader(res.Body)
		for i := range 5 {
			fmt.Fprintf(pw, "line %d\n", i)
			if got, err := br.ReadString('\n'); got != fmt.Sprintf("LINE %d\n", i) || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
		}
		pw.Close()
		if _, err := io.ReadAll(br); err != nil {
			t.Error(err)
		}
		if inv := r.record(); inv.In != 35 || inv.Out != 35 || inv.Status != 200 || inv.Cause != "" {
			t.Errorf("record %+v", inv)
		}
	})
}

// noise is n bytes that do not repeat soon.
func noise(n int64) io.Reader {
	block := make([]byte, 1<<20-3)
	for i := range block {
		block[i] = byte(i * i >> 8)
	}
	return io.LimitReader(&repeat{block: block}, n)
}

type repeat struct {
	block []byte
	at    int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}

func sum(r io.Reader) string {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return fmt.Sprintf("%d %x %v", n, h.Sum(nil), err)
}

func TestAGigabyteGoesThroughInBoundedMemory(t *testing.T) {
	const size = 1 << 30
	half := int64(size / 2)
	r := newRig(t, rigConfig{functions: map[string]function{
		"up": handler(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
		}),
		"down": handler(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "length" {
				w.Header().Set("Content-Length", fmt.Sprint(half))
			}
			io.Copy(w, noise(half))
		}),
	}})
	c := r.client()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	post := func(body io.Reader, length int64) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", r.url+"/function/up", body)
		req.ContentLength = length
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); string(b) != fmt.Sprint(half, nil) {
			t.Errorf("the function says %s", b)
		}
	}
	post(noise(half), half)
	post(noise(half), -1)
	for _, query := range []string{"", "?length"} {
		res, err := c.Get(r.url + "/function/down" + query)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if n != half || err != nil {
			t.Errorf("down%s: %d bytes, %v", query, n, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 64<<20 {
		t.Errorf("memory grew by %d MiB for two gigabytes", grown>>20)
	}
}

func TestBodiesOfAllSizesArriveUnchanged(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{
		"mirror": handler(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			if err != nil {
				w.WriteHeader(400)
			}
			w.Header()["Content-Length"] = r.Header["Want-Length"]
			w.Write(b)
		}),
	}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for _, n := range []int64{0, 1, 100, 4095, 4096, 16383, 16384, 16385, 32768, 70_000, 1 << 20, 5<<20 + 3} {
			for _, known := range []bool{true, false} {
				req, _ := http.NewRequestWithContext(t.Context(), "POST", r.url+"/function/mirror", noise(n))
				if known {
					req.ContentLength = n
					req.Header.Set("Want-Length", fmt.Sprint(n))
				}
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got := sum(res.Body)
				res.Body.Close()
				if want := sum(noise(n)); got != want {
					t.Errorf("%d bytes, known %v: %s, want %s", n, known, got, want)
				}
				if inv := r.record(); inv.In != n || inv.Out != n || inv.Cause != "" {
					t.Errorf("%d bytes: record %+v", n, inv)
				}
			}
		}
	})
}

func TestTrailersGoBothWays(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"t": handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Late")
		io.Copy(w, r.Body)
		w.Header().Set("X-Late", "got "+r.Trailer.Get("X-Sum"))
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "too")
	})}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", r.url+"/function/t", io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"X-Sum": {"42"}}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if string(b) != "body" || err != nil || res.Trailer.Get("X-Late") != "got 42" || res.Trailer.Get("X-Unannounced") != "too" {
			t.Errorf("%q, %v, trailers %v", b, err, res.Trailer)
		}
	})
}

func TestAnswersWithoutABody(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		case "/empty":
		default:
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
		}
	})}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for _, tc := range []struct {
			method, path string
			status       int
			length       int64
			body         string
		}{
			{"HEAD", "/head", 200, 5, ""}, {"GET", "/get", 200, 5, "hello"}, {"GET", "/204", 204, 0, ""},
			{"GET", "/304", 304, 0, ""}, {"GET", "/empty", 200, 0, ""}, {"HEAD", "/204", 204, 0, ""}, {"OPTIONS", "/get", 200, 5, "hello"},
		} {
			req, _ := http.NewRequestWithContext(t.Context(), tc.method, r.url+"/function/f"+tc.path, nil)
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != tc.status || string(b) != tc.body || err != nil || max(res.ContentLength, 0) != tc.length {
				t.Errorf("%s %s: %d %q length %d, %v", tc.method, tc.path, res.StatusCode, b, res.ContentLength, err)
			}
		}
		if n := r.engine.starts.Load(); n != 1 {
			t.Errorf("%d instances", n)
		}
	})
}

func TestTheClientIsToldToGoOnOnceAdmitted(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"echo": handler(echo)}, start: 30 * time.Millisecond})
	c := r.dial()
	fmt.Fprintf(c, "POST /function/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	br := bufio.NewReader(c)
	if line, err := br.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" || err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	br.ReadString('\n')
	io.WriteString(c, "hello")
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(res.Body); string(b) != "POST / hello" {
		t.Errorf("%q", b)
	}
	if kind := res.Header.Get("X-Rouse-Start"); !strings.HasPrefix(kind, "cold;queue=") {
		t.Errorf("X-Rouse-Start: %q", kind)
	}

	// For a function that is not there nothing needs to be sent.
	fmt.Fprintf(c, "POST /function/nope HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	res, err = http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 404 || !res.Close {
		t.Errorf("%v, %v", res, err)
	}
}

func TestInterimResponsesArePassedOn(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"hints": handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(103)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	})}})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		got := ""
		ctx := withInterim(t.Context(), func(code int, h http.Header) { got = fmt.Sprint(code, h.Get("Link")) })
		req, _ := http.NewRequestWithContext(ctx, "GET", r.url+"/function/hints", nil)
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got != "103</a.css>" || string(b) != "done" || res.Header.Get("Link") != "" {
			t.Errorf("interim %q, then %q %v", got, b, res.Header)
		}
	})
}

func TestABigAnswerToASlowReaderIsNotBuffered(t *testing.T) {
	wrote := make(chan int64, 1)
	r := newRig(t, rigConfig{functions: map[string]function{"big": handler(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 300*time.Millisecond)
		defer cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		var n int64
		for ctx.Err() == nil {
			m, err := w.Write(bytes.Repeat([]byte("x"), 1<<16))
			if n += int64(m); err != nil {
				break
			}
		}
		wrote <- n
	})}})
	c := r.dial()
	_ = c.SetReadBuffer(1 << 16)
	fmt.Fprintf(c, "GET /function/big HTTP/1.1\r\nHost: x\r\n\r\n")
	if n := <-wrote; n > 32<<20 {
		t.Errorf("the function could write %d MiB that nobody read", n>>20)
	}
}
