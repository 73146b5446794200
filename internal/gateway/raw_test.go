package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

// talk sends one request and returns everything that comes back until the
// gateway closes.
func (r *rig) talk(request string) string {
	r.t.Helper()
	c := r.dial()
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		r.t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		r.t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

func TestAmbiguousRequestsNeverReachAFunction(t *testing.T) {
	called := make(chan string, 100)
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) {
		called <- r.Method + r.RequestURI
	})}})
	const tail = "0\r\n\r\nGET /function/f/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, tc := range map[string]struct {
		head   string
		status string
	}{
		"length and chunked":   {"POST /function/f HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
		"two lengths":          {"POST /function/f HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n", "400"},
		"obscured coding":      {"POST /function/f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "501"},
		"space before colon":   {"POST /function/f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", "400"},
		"folded coding":        {"POST /function/f HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n", "400"},
		"bare LF":              {"POST /function/f HTTP/1.1\nHost: a\nContent-Length: 5\n\n", "400"},
		"no Host":              {"GET /function/f HTTP/1.1\r\n\r\n", "400"},
		"unknown version":      {"GET /function/f HTTP/3.0\r\nHost: a\r\n\r\n", "505"},
		"bad chunk":            {"POST /function/f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
		"chunk with a bare LF": {"POST /function/f HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			got := r.talk(tc.head + tail)
			if !strings.HasPrefix(got, "HTTP/1.1 "+tc.status+" ") || strings.Count(got, "X-Call-Id: ") != 1 {
				t.Errorf("got %q, want a single %s", got, tc.status)
			}
			for _, want := range []string{"\r\nConnection: close\r\n", "\r\nX-Call-Id: ", `"kind":"invalid"`} {
				if !strings.Contains(got, want) {
					t.Errorf("%q lacks %q", got, want)
				}
			}
		})
	}
	select {
	case what := <-called:
		t.Errorf("the function was called: %s", what)
	default:
	}
}

func TestHeadsAreLimited(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(echo)}})
	for name, tc := range map[string]struct{ request, status string }{
		"long target":     {"GET /function/f/" + strings.Repeat("x", 70_000), "414"},
		"long fields":     {"GET /function/f HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 70_000), "431"},
		"many fields":     {"GET /function/f HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", wire.MaxFields) + "\r\n", "431"},
		"large but legal": {"GET /function/f HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: " + strings.Repeat("x", 60_000) + "\r\n\r\n", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.talk(tc.request); !strings.HasPrefix(got, "HTTP/1.1 "+tc.status+" ") {
				t.Errorf("got %.200q, want %s", got, tc.status)
			}
		})
	}
}

func TestRequestsInAPipelineAreAnsweredInOrder(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"echo": handler(echo)}})
	var in strings.Builder
	for i := range 20 {
		fmt.Fprintf(&in, "POST /function/echo/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n%02d", i, i)
		fmt.Fprintf(&in, "POST /function/nope HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
	}
	c := r.dial()
	io.WriteString(c, in.String())
	br := bufio.NewReader(c)
	for i := range 40 {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		b, _ := io.ReadAll(res.Body)
		want := fmt.Sprintf("POST /%d %02d", i/2, i/2)
		if i%2 == 0 && string(b) != want || i%2 == 1 && res.StatusCode != 404 {
			t.Errorf("answer %d: %d %q", i, res.StatusCode, b)
		}
	}
}

func TestOldClients(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{
		"echo": handler(echo),
		"long": handler(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "part")
			_ = http.NewResponseController(w).Flush()
			io.WriteString(w, " and rest")
		}),
	}})
	if got := r.talk("GET /function/echo HTTP/1.0\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\nGET / ") || !strings.Contains(got, "Connection: close\r\n") {
		t.Errorf("%q", got)
	}
	// Without chunks only the end of the connection ends a body of unknown length.
	if got := r.talk("GET /function/long HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"); !strings.HasSuffix(got, "\r\n\r\npart and rest") || strings.Contains(got, "chunked") {
		t.Errorf("%q", got)
	}
	c := r.dial()
	br := bufio.NewReader(c)
	for range 3 {
		fmt.Fprintf(c, "GET /function/echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		if res.Header.Get("Connection") != "keep-alive" {
			t.Errorf("%v", res.Header)
		}
	}
}

// answer makes a function that reads a request head and says the given words.
func answer(words ...string) function {
	return raw(func(c net.Conn) {
		br := bufio.NewReader(c)
		for _, w := range words {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			if _, err := io.WriteString(c, w); err != nil {
				return
			}
		}
	})
}

func TestOddButLegalAnswersArePassedOn(t *testing.T) {
	for name, tc := range map[string]struct{ answer, want string }{
		"old, until close":    {"HTTP/1.0 200 OK\r\n\r\nhello", "hello"},
		"until close":         {"HTTP/1.1 200 OK\r\n\r\nhello", "hello"},
		"closing, length":     {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"chunked":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"},
		"100 first":           {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"more than announced": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, world", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigConfig{functions: map[string]function{"f": answer(tc.answer)}})
			protocols(t, r, func(t *testing.T, c *http.Client) {
				for range 3 {
					if res, body := get(t, c, r.url+"/function/f"); res.StatusCode != 200 || body != tc.want {
						t.Errorf("%d %q", res.StatusCode, body)
					}
				}
			})
		})
	}
}

func TestBrokenAnswersBecomeErrorsOrBreakOff(t *testing.T) {
	endless := "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Header: "+strings.Repeat("x", 1000)+"\r\n", 2000)
	for name, tc := range map[string]struct {
		answer string
		cause  string // of the platform's answer; "" if the answer breaks off
	}{
		"not HTTP":         {"hello\r\n\r\n", "bad-response"},
		"endless head":     {endless, "bad-response"},
		"too many fields":  {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 200) + "\r\n", "bad-response"},
		"endless interims": {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100), "bad-response"},
		"two lengths":      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "bad-response"},
		"uninvited 101":    {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "bad-response"},
		"cut head":         {"HTTP/1.1 200 OK\r\nContent-", "broken-connection"},
		"nothing":          {"", "broken-connection"},
		"cut body":         {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", ""},
		"cut chunk":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ""},
		"no last chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ""},
		"bad chunk":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigConfig{functions: map[string]function{"f": answer(tc.answer)}})
			protocols(t, r, func(t *testing.T, c *http.Client) {
				res, err := c.Get(r.url + "/function/f")
				if err != nil && tc.cause == "" && c.Transport.(*http.Transport).Protocols != nil {
					return // HTTP/2 may reset before the head was sent
				}
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				inv := r.record()
				if tc.cause == "" {
					if err == nil {
						t.Errorf("the client took %q for whole", body)
					}
					if inv.Phase != "reply" || inv.Cause == "" {
						t.Errorf("record %+v", inv)
					}
					return
				}
				if res.StatusCode != 502 || res.Header.Get("X-Rouse-Cause") != tc.cause || !strings.Contains(string(body), tc.cause) {
					t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
				}
				if inv.Cause != tc.cause || inv.Status != 502 || inv.Phase != "run" {
					t.Errorf("record %+v", inv)
				}
			})
		})
	}
}

func TestAConnectionTheFunctionClosedWhileIdleIsReplaced(t *testing.T) {
	ok := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	closed := make(chan struct{}, 100)
	r := newRig(t, rigConfig{functions: map[string]function{"f": func(ln net.Listener) {
		raw(func(c net.Conn) { // answers once, says it keeps the connection, and closes
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			io.WriteString(c, ok)
			c.Close()
			closed <- struct{}{}
		})(ln)
	}}})
	c := r.client()
	for i := range 10 {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			req, _ := http.NewRequestWithContext(t.Context(), method, r.url+"/function/f", nil)
			if method == "POST" {
				req, _ = http.NewRequestWithContext(t.Context(), method, r.url+"/function/f", strings.NewReader("body"))
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(b) != "ok" {
				t.Fatalf("call %d, %s: %d %s", i, method, res.StatusCode, b)
			}
			<-closed
		}
	}
	if n := r.engine.starts.Load(); n != 1 {
		t.Errorf("%d instances were started", n)
	}
}

func TestARequestTheFunctionMayHaveActedOnIsNotRepeated(t *testing.T) {
	seen := make(chan string, 10)
	r := newRig(t, rigConfig{functions: map[string]function{"f": func(ln net.Listener) {
		raw(func(c net.Conn) { // the second request on a connection is read, and then it closes
			br := bufio.NewReader(c)
			for i := range 2 {
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				seen <- req.Method
				if i == 0 {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}
		})(ln)
	}}})
	c := r.client()
	if _, body := get(t, c, r.url+"/function/f"); body != "ok" {
		t.Fatal(body)
	}
	res, err := c.Post(r.url+"/function/f", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 502 || len(seen) != 2 {
		t.Errorf("POST: %d, and the function saw %d requests; want 502 and 2", res.StatusCode, len(seen))
	}
}

func TestWhatIsNotAFunctionGoesToTheAPI(t *testing.T) {
	r := newRig(t, rigConfig{
		functions: map[string]function{"echo": handler(echo)},
		config: func(c *Config) {
			c.API = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "api ", r.Method, " ", r.RequestURI) })
		},
	})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for path, want := range map[string]string{
			"/v1/functions": "api GET /v1/functions", "/": "api GET /", "/functionx": "api GET /functionx",
			"/x/../function/echo": "api GET /x/../function/echo", "/function/echo": "GET / ",
		} {
			if _, body := get(t, c, r.url+path); body != want {
				t.Errorf("%s: %q, want %q", path, body, want)
			}
		}
	})
	// One connection, first the API, then a function, then a function in absolute form.
	c := r.dial()
	br := bufio.NewReader(c)
	for _, tc := range [][2]string{
		{"/function/echo/1", "GET /1 "}, {"/v1", "api GET /v1"}, {"/function/echo/2", "GET /2 "},
		{"http://x/function/echo/3?y", "GET /3?y "}, {"http://echo.default.rouse.test/4", "GET /4 "},
	} {
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", tc[0], "echo2.default.rouse.nowhere")
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(res.Body); string(b) != tc[1] {
			t.Errorf("%s: %q, want %q", tc[0], b, tc[1])
		}
	}
}

func TestATrustedProxyIsBelieved(t *testing.T) {
	seen := make(chan http.Header, 1)
	r := newRig(t, rigConfig{
		functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) { seen <- r.Header.Clone() })},
		config:    func(c *Config) { c.Trusted = append(c.Trusted, mustPrefix("127.0.0.0/8")) },
	})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", r.url+"/function/f", nil)
		req.Header.Add("X-Forwarded-For", "1.1.1.1, 2.2.2.2")
		req.Header.Add("X-Forwarded-For", "3.3.3.3")
		req.Header.Set("X-Forwarded-Proto", "https")
		req.Header.Set("X-Forwarded-Host", "www.example.org")
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		h := <-seen
		if h.Get("X-Forwarded-For") != "1.1.1.1, 2.2.2.2, 3.3.3.3, 127.0.0.1" || h.Get("X-Forwarded-Proto") != "https" || h.Get("X-Forwarded-Host") != "www.example.org" {
			t.Errorf("%v", h)
		}
	})
}

// faulty is a recorder with a bug.
type faulty struct{ Recorder }

func (f faulty) Record(inv *fn.Invocation) {
	f.Recorder.Record(inv)
	if inv.Status == 418 {
		panic("a bug")
	}
}

func TestABugEndsOneConnectionOnly(t *testing.T) {
	r := newRig(t, rigConfig{
		functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/teapot" {
				w.WriteHeader(418)
			}
		})},
		config: func(c *Config) { c.Recorder = faulty{c.Recorder} },
		policy: func(p *fn.Policy) { p.Scale.Max, p.Scale.Concurrency = 1, 1 },
	})
	protocols(t, r, func(t *testing.T, c *http.Client) {
		for range 3 {
			if res, err := c.Get(r.url + "/function/f/teapot"); err == nil {
				res.Body.Close()
			}
			if res, _ := get(t, c, r.url+"/function/f"); res.StatusCode != 200 {
				t.Errorf("the next call: %d", res.StatusCode)
			}
		}
	})
}

func TestACallToAnInstanceThatJustEndedGoesToAnother(t *testing.T) {
	const each = 3 // calls an instance serves; with the last it ends
	r := newRig(t, rigConfig{functions: map[string]function{"mortal": func(ln net.Listener) {
		raw(func(c net.Conn) {
			br := bufio.NewReader(c)
			for i := range each {
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				if i == each-1 {
					_ = ln.Close()
				}
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			}
		})(ln)
	}}})
	c := r.client()
	for i := range 10 * each {
		res, err := c.Post(r.url+"/function/mortal", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if string(b) != "ok" {
			t.Fatalf("call %d: %d %s", i, res.StatusCode, b)
		}
	}
	if n := r.engine.starts.Load(); n != 10 {
		t.Errorf("%d instances for %d calls of %d each", n, 10*each, each)
	}
}

func TestARefusalAfterAHandOverSaysThatTheConnectionEnds(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(func(http.ResponseWriter, *http.Request) {})}})
	got := r.talk("GET /not-a-function HTTP/1.1\r\nHost: a\r\n\r\n" + "POST /function/nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	if i := strings.LastIndex(got, "HTTP/1.1 404"); i < 0 || !strings.Contains(got[i:], "Connection: close\r\n") {
		t.Errorf("%q", got)
	}
}
