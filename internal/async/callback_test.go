package async

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/memory"
)

// mailbox is an http.RoundTripper that keeps what is posted. answer says what
// the nth post gets; nil: 200.
type mailbox struct {
	mu     sync.Mutex
	posts  []letter // guarded by mu
	answer func(n int, r *http.Request) (*http.Response, error)
}

type letter struct {
	at     time.Time
	url    string
	header http.Header
	body   string
}

func (m *mailbox) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.posts = append(m.posts, letter{time.Now(), r.URL.String(), r.Header, string(body)})
	n := len(m.posts)
	m.mu.Unlock()
	if m.answer != nil {
		return m.answer(n, r)
	}
	return replied(200, "")
}

func replied(status int, after string) (*http.Response, error) {
	h := http.Header{}
	if after != "" {
		h.Set("Retry-After", after)
	}
	return &http.Response{StatusCode: status, Header: h, Body: http.NoBody}, nil
}

// withMail gives the world a mailbox.
func (w *world) withMail(answer func(int, *http.Request) (*http.Response, error)) *mailbox {
	m := &mailbox{answer: answer}
	w.sender.client.Transport = m
	return m
}

const there = "http://example.org/done"

func TestAResultGoesToItsCallback(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		m := w.withMail(nil)
		ref := w.add("f", func(rw http.ResponseWriter, r *http.Request) {
			sleep(r.Context(), 1500*time.Millisecond)
			for name, v := range map[string]string{
				"X-Mine": "caf\xe9", "Connection": "close", "X-Forwarded-For": "1.2.3.4", "X-Callback-Url": "http://evil", "Content-Type": "text/x",
			} {
				rw.Header().Set(name, v)
			}
			answers(404, "the result")(rw, r)
		})
		w.must(Call{Ref: ref, ID: "a", Callback: there, Name: "f.openfaas-fn"})
		w.sleep(2 * time.Second)
		if len(m.posts) != 1 {
			t.Fatalf("%d callbacks", len(m.posts))
		}
		p := m.posts[0]
		for name, want := range map[string]string{
			"X-Mine": "caf\xe9", "Connection": "", "X-Forwarded-For": "", "X-Callback-Url": "", "Content-Type": "text/x", "X-Call-Id": "a",
			"X-Function-Name": "f.openfaas-fn", "X-Function-Status": "404", "X-Duration-Seconds": "1.500000", "X-Retry": "0", "X-Retry-Max": "10",
			"User-Agent": "rouse", "X-Rouse-Cut-Off": "",
		} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if p.body != "the result" || p.url != there {
			t.Errorf("%+v", p)
		}
		w.wantInfo("", queue.Info{})
	})
}

func TestACallIDUsedAgainHasACallbackOfItsOwn(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		var back atomic.Bool
		m := w.withMail(func(int, *http.Request) (*http.Response, error) {
			if !back.Load() {
				return replied(503, "")
			}
			return replied(200, "")
		})
		ref := w.add("f", answers(200, "ok"))
		for range 2 { // the first result still waits when the second comes
			w.must(Call{Ref: ref, ID: "a", Callback: there})
			w.sleep(time.Second)
		}
		w.wantInfo(callbackPrefix, queue.Info{Delayed: 2})
		back.Store(true)
		w.sleep(time.Minute)
		if w.wantInfo("", queue.Info{}); len(m.posts) < 4 {
			t.Errorf("%d posts, want two tries of two results at least", len(m.posts))
		}
	})
}

func TestALargeResultIsCutOff(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxResult = 1 << 20 }, func(w *world) {
		m := w.withMail(nil)
		ref := w.add("f", answers(200, strings.Repeat("0123456789abcdef", 100<<10)))
		w.must(Call{Ref: ref, ID: "a", Callback: there})
		w.sleep(time.Second)
		if len(m.posts) != 1 || m.posts[0].header.Get("X-Rouse-Cut-Off") != "1048576" || m.posts[0].body != strings.Repeat("0123456789abcdef", 64<<10) {
			t.Fatalf("%d posts", len(m.posts))
		}
	})
}

func TestACallbackIsSentUntilItArrives(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		began := time.Now()
		m := w.withMail(func(n int, _ *http.Request) (*http.Response, error) {
			switch n {
			case 1:
				return nil, errors.New("connection refused")
			case 2:
				return replied(503, "45")
			case 3:
				return replied(500, "")
			}
			return replied(202, "")
		})
		ref := w.add("f", answers(200, "x"))
		w.must(Call{Ref: ref, ID: "a", Callback: there})
		w.sleep(10 * time.Minute)
		var at []string
		for _, p := range m.posts {
			at = append(at, p.at.Sub(began).String())
		}
		if got := strings.Join(at, " "); got != "0s 10s 55s 1m35s" {
			t.Errorf("posted at %s", got)
		}
		if w.begun("a") != 1 {
			t.Error("the function was called again")
		}
		w.wantInfo("", queue.Info{})
	})
}

func TestACallbackNobodyWantsIsPutAside(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		m := w.withMail(func(int, *http.Request) (*http.Response, error) { return replied(404, "") })
		ref := w.add("f", answers(200, "x"))
		w.must(Call{Ref: ref, ID: "a", Callback: there})
		w.sleep(time.Minute)
		dead, err := w.Letters(w.t.Context(), ref, queue.Buried, 10)
		if err != nil || len(dead) != 1 || !dead[0].Callback || dead[0].Reason != "the callback address answered 404" || len(m.posts) != 1 {
			t.Errorf("%+v %v", dead, err)
		}
		if n, err := w.Redrive(w.t.Context(), ref, dead[0].ID); n != 1 || err != nil {
			t.Errorf("%d %v", n, err)
		}
		w.sleep(time.Minute)
		if len(m.posts) != 2 {
			t.Errorf("%d posts", len(m.posts))
		}
	})
}

func TestACallbackTellsOfTheLastTryOnly(t *testing.T) {
	inBubble(t, nil, func(w *world) {
		m := w.withMail(nil)
		broken := w.add("broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, AttemptsAnnotation, "3")
		w.must(Call{Ref: broken, ID: "a", Callback: there})
		w.sleep(time.Minute)
		if len(m.posts) != 1 || m.posts[0].header.Get("X-Function-Status") != "503" || m.posts[0].header.Get("X-Retry") != "2" {
			t.Errorf("%+v", m.posts)
		}
		w.wantInfo("", queue.Info{Buried: 1})
	})
}

// crashing is a queue that fails once, at a chosen step: what a process sees
// that dies there, as far as the queue can tell.
type crashing struct {
	*memory.Queue
	mu   sync.Mutex
	left int // guarded by mu: outcomes to be let through
	fail error
}

func (c *crashing) Settle(ctx context.Context, outcomes ...queue.Outcome) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if outcomes[0].Action == queue.Ack && c.left == 0 {
		return c.fail
	}
	c.left--
	return c.Queue.Settle(ctx, outcomes...)
}

func TestACrashBetweenResultAndAckLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		broken := &crashing{Queue: q, fail: fn.Errorf(fn.Unavailable, "the process is gone")}
		w := newWorld(t, q, func(c *Config) { c.Queue = broken })
		w.withMail(func(int, *http.Request) (*http.Response, error) { return nil, errors.New("unreachable") })
		ref := w.add("f", answers(200, "x"))
		w.must(Call{Ref: ref, ID: "a", Callback: there})
		w.run()
		w.sleep(time.Second)
		w.end()
		w.wantInfo(callPrefix, queue.Info{Leased: 1})
		w.wantInfo(callbackPrefix, queue.Info{Delayed: 1})

		w = newWorld(t, q, nil)
		m := w.withMail(nil)
		w.add("f", answers(200, "x"))
		w.run()
		w.sleep(5 * time.Minute)
		w.end()
		w.wantInfo("", queue.Info{})
		if len(m.posts) == 0 || len(m.posts) > 2 {
			t.Errorf("%d callbacks", len(m.posts))
		}
	})
}

func TestADiskThatIsFullForAWhileMakesNoCallRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := memory.New(memory.Config{})
		broken := &crashing{Queue: q, fail: fn.Errorf(fn.Exhausted, "no space left")}
		w := newWorld(t, q, func(c *Config) { c.Queue = broken })
		ref := w.add("f", answers(200, "x"))
		w.submit(ref, "a")
		w.run()
		w.sleep(10 * time.Minute)
		broken.mu.Lock()
		broken.left = 1
		broken.mu.Unlock()
		w.sleep(10 * time.Second)
		if w.begun("a") != 1 {
			t.Errorf("run %d times", w.begun("a"))
		}
		w.wantInfo("", queue.Info{})
		w.end()
	})
}

func TestWhereResultsMayGo(t *testing.T) {
	c := Callback{Self: netip.MustParseAddrPort("127.0.0.1:8080"), Allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("169.254.0.0/16")}}
	for address, ok := range map[string]bool{
		"http://example.org/x": true, "https://example.org:8443": true, "http://93.184.216.34/": true, "http://[2606:2800:220:1::1]/": true,
		"http://127.0.0.1:8080/function/f": true, "http://127.0.0.1:8081/": false, "http://127.0.0.2:8080/": false, "http://[::1]:8080/": false,
		"http://10.1.2.3/": true, "http://10.2.2.3/": false, "http://192.168.1.1/": false, "http://172.16.0.1/": false, "http://[fd12::1]/": false,
		"http://169.254.169.254/": false, "http://[fe80::1]/": false, "http://[::ffff:169.254.169.254]/": false, "http://[64:ff9b::a9fe:a9fe]/": false,
		"http://[64:ff9b::7f00:1]:8081/": false, "http://100.100.100.200/": false, "http://[fd00:ec2::254]/": false, "http://0.0.0.0:8080/": false,
		"http://224.0.0.1/": false, "http://100.64.0.1/": false, "http://255.255.255.255/": false, "http://[::]/": false, "http://[::ffff:10.1.2.3]/": true,
		"http://168.63.129.16/": false, "http://[::ffff:168.63.129.16]/": false, "http://[fd20:ce::254]/": false,
		"http://[::7f00:1]/": false, "http://[2002:7f00:1::]/": false, "http://[2001:0:1::1]/": false, "http://[fec0::1]/": false,
		"ftp://example.org/": false, "//example.org/": false, "http://": false, "http:///x": false, "x": false, "http://example.org:99999/": false,
		"http://" + strings.Repeat("a", 3000) + ".org/": false,
	} {
		if err := c.Check(address); (err == nil) != ok {
			t.Errorf("%.60s: %v", address, err)
		}
	}
	all := Callback{Self: netip.MustParseAddrPort("[::]:8080")}
	for address, ok := range map[string]bool{"http://127.0.0.1:8080/": true, "http://[::1]:8080/": true, "http://127.0.0.1:80/": false} {
		if err := all.Check(address); (err == nil) != ok {
			t.Errorf("on all addresses: %s: %v", address, err)
		}
	}
}

// TestTheAddressThatIsDialledIsChecked has real listeners: a name, a redirect
// to another host and an address that is not allowed.
func TestTheAddressThatIsDialledIsChecked(t *testing.T) {
	asked := make(chan string, 8)
	own := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Host + r.URL.Path
		if strings.HasPrefix(r.URL.Path, "/away") {
			http.Redirect(w, r, "http://localhost:1/", http.StatusTemporaryRedirect)
		} else if r.URL.Path == "/here" {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		} else if r.URL.Path == "/login" {
			http.Redirect(w, r, "/there", http.StatusFound)
		}
	}))
	defer own.Close()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- "other" }))
	defer other.Close()
	self := netip.MustParseAddrPort(strings.TrimPrefix(own.URL, "http://"))
	s := newSender(Callback{Self: self, Timeout: 5 * time.Second}, "rouse")
	defer s.client.CloseIdleConnections()
	send := func(url string) (int, error) {
		status, _, err := s.send(t.Context(), &result{URL: url, Header: http.Header{}}, []byte("body"))
		return status, err
	}
	if status, err := send(own.URL + "/x"); status != 200 || err != nil || <-asked != self.String()+"/x" {
		t.Errorf("to ourselves: %d %v", status, err)
	}
	if status, err := send("http://gateway.openfaas:8080/function/f"); status != 200 || err != nil || <-asked != "gateway.openfaas:8080/function/f" {
		t.Errorf("to the gateway by its name in a cluster: %d %v", status, err)
	}
	if status, err := send(own.URL + "/away"); status != 307 || err != nil {
		t.Errorf("a redirect to another host: %d %v", status, err)
	}
	<-asked
	if status, err := send(own.URL + "/here"); status != 200 || err != nil || <-asked == "" || <-asked != self.String()+"/there" {
		t.Errorf("a redirect on the same host: %d %v", status, err)
	}
	if status, err := send(own.URL + "/login"); status != 302 || err != nil || <-asked != self.String()+"/login" {
		t.Errorf("a redirect that loses the result: %d %v", status, err)
	}
	port := other.URL[strings.LastIndexByte(other.URL, ':'):]
	for _, url := range []string{other.URL, "http://localhost" + port} {
		if _, err := send(url); !errors.Is(err, errAddress) {
			t.Errorf("%s: %v", url, err)
		}
	}
	if len(asked) > 0 {
		t.Errorf("something else was reached: %s", <-asked)
	}
}
