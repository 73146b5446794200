package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rouse.dev/rouse/api"
)

// receiver is where callbacks go: it counts them by call and by execution.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	posts map[string][]post // guarded by mu: by call id
	total atomic.Int64
}

// post is one callback.
type post struct {
	header http.Header
	body   string
}

func receive(t *testing.T) *receiver {
	r := &receiver{posts: map[string][]post{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(io.LimitReader(req.Body, 32<<20))
		if err != nil {
			return // it will come again
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		id := req.Header.Get("X-Call-Id")
		r.posts[id] = append(r.posts[id], post{req.Header.Clone(), string(body)})
		r.total.Add(1)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) of(id string) []post {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.posts[id]
}

func (r *receiver) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.posts)
}

// async submits one call.
func (s *server) async(c *http.Client, path, body string, header ...string) (int, string, http.Header, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/async-function/"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(b), res.Header, err
}

// node is a function that tells what it was sent, waits if told to, or fails.
func (s *server) node(name, extra string) string {
	return s.write(map[string]string{
		"rouse.yaml": fmt.Sprintf("name: %s\nruntime: node\n%s", name, extra),
		"handler.js": `const { randomUUID } = require("node:crypto");
exports.handle = async (event) => {
  const ms = Number(event.query.wait || 0);
  if (ms) await new Promise((done) => setTimeout(done, ms));
  const told = { run: randomUUID(), path: event.path, query: event.queryString, body: await event.text(), headers: event.headers };
  return { status: Number(event.query.status || 200), headers: { "x-mine": "yes" }, body: JSON.stringify(told) };
};
`,
	})
}

// told is what the function tells.
type told struct {
	Run, Path, Query, Body string
	Headers                map[string]string
}

func TestAsyncCallsComeBackAtTheirCallback(t *testing.T) {
	needRoot(t)
	s, r := start(t), receive(t)
	s.must("deploy", s.node("tell", "annotations: {com.openfaas.retry.attempts: '2', com.openfaas.retry.min_wait: 100ms}\n"))
	began := time.Now()
	status, body, h, err := s.async(http.DefaultClient, "tell.openfaas-fn/a%2Fb?x=1", "hello", "X-Callback-Url", r.URL+"/done", "X-Call-Id", "mine-1",
		"X-Forwarded-For", "203.0.113.9", "Authorization", "Bearer abc")
	if err != nil || status != 202 || body != "" || h.Get("X-Call-Id") != "mine-1" || h.Get("X-Start-Time") == "" || !strings.HasPrefix(h.Get("X-Served-By"), "rouse/") {
		t.Fatalf("%d %q %v %v", status, body, h, err)
	}
	s.waitFor("the callback", 20*time.Second, func() bool { return len(r.of("mine-1")) > 0 })
	p := r.of("mine-1")[0]
	for name, want := range map[string]string{
		"X-Function-Status": "200", "X-Function-Name": "tell.openfaas-fn", "X-Mine": "yes", "X-Retry": "0", "X-Retry-Max": "2",
	} {
		if got := p.header.Get(name); got != want {
			t.Errorf("callback %s: %q, want %q", name, got, want)
		}
	}
	if d, err := strconv.ParseFloat(p.header.Get("X-Duration-Seconds"), 64); err != nil || d <= 0 || d > time.Since(began).Seconds() {
		t.Errorf("X-Duration-Seconds %q", p.header.Get("X-Duration-Seconds"))
	}
	var is told
	if err := json.Unmarshal([]byte(p.body), &is); err != nil {
		t.Fatalf("%v: %q", err, p.body)
	}
	if is.Path != "/a/b" || is.Query != "x=1" || is.Body != "hello" || is.Headers["authorization"] != "Bearer abc" || is.Headers["x-call-id"] != "mine-1" {
		t.Errorf("the function was told %+v", is)
	}
	if got := is.Headers["x-forwarded-for"]; got != "127.0.0.1" {
		t.Errorf("a stranger's X-Forwarded-For reaches the function: %q", got)
	}

	// A failure: tried twice, then a callback and a dead letter.
	_, _, h, _ = s.async(http.DefaultClient, "tell?status=500", "", "X-Callback-Url", r.URL)
	id := h.Get("X-Call-Id")
	s.waitFor("the callback of a failure", 20*time.Second, func() bool { return len(r.of(id)) > 0 })
	if h := r.of(id)[0].header; h.Get("X-Function-Status") != "500" || h.Get("X-Retry") != "1" {
		t.Errorf("%v", h)
	}
	s.waitFor("the dead letter", 10*time.Second, func() bool { return strings.Contains(s.must("queue", "dead", "tell"), id) })
	if out := s.must("queue", "dead", "tell", id); !strings.Contains(out, "status 500") || !strings.Contains(out, "2") {
		t.Error(out)
	}
	s.must("deploy", s.echo("tell", "better")) // fixed: sent on its way once more
	if out := s.must("queue", "redrive", "tell", "--all"); !strings.Contains(out, "1 dead letter") {
		t.Error(out)
	}
	s.waitFor("the second callback", 20*time.Second, func() bool { return len(r.of(id)) > 1 })
	if p := r.of(id)[1]; p.body != "better\n" || p.header.Get("X-Function-Status") != "200" {
		t.Errorf("%+v", p)
	}
	s.waitFor("an empty queue", 10*time.Second, func() bool {
		var q api.QueueList
		_, err := s.api("GET", "/v1/queue", nil, &q)
		return err == nil && len(q.Streams) == 0
	})
}

func TestAsyncCallsAreRefusedOrCancelled(t *testing.T) {
	needRoot(t)
	s, r := start(t), receive(t)
	s.must("deploy", s.node("tell", ""))
	for path, want := range map[string]int{"nobody": 404, "tell.nowhere": 404, "": 404} {
		if status, _, _, _ := s.async(http.DefaultClient, path, ""); status != want {
			t.Errorf("%q: %d, want %d", path, status, want)
		}
	}
	if status, _, _, _ := s.async(http.DefaultClient, "tell", "", "X-Callback-Url", "http://169.254.169.254/"); status != 400 {
		t.Errorf("a callback to a metadata service: %d", status)
	}
	if status, _, _, _ := s.async(http.DefaultClient, "tell", strings.Repeat("x", 1<<20+1)); status != 413 {
		t.Errorf("a large body: %d", status)
	}
	if res, err := http.Get(s.url + "/async-function/tell"); err != nil || res.StatusCode != 405 {
		t.Errorf("GET: %v %v", res, err)
	}
	_, _, h, _ := s.async(http.DefaultClient, "tell?wait=60000", "", "X-Callback-Url", r.URL)
	id := h.Get("X-Call-Id")
	s.waitFor("the call to run", 20*time.Second, func() bool { return s.function("tell").Status.State == "busy" })
	remove := func(password string) int {
		req, _ := http.NewRequest(http.MethodDelete, s.url+"/async-function/"+id, nil)
		if password != "" {
			req.SetBasicAuth("admin", password)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if status := remove(""); status != 401 {
		t.Errorf("cancelling without an account: %d", status)
	}
	if status := remove(s.password); status != 202 {
		t.Errorf("cancelling: %d", status)
	}
	s.waitFor("the call to end", 10*time.Second, func() bool { return s.function("tell").Status.State != "busy" })
	if status := remove(s.password); status != 404 {
		t.Errorf("cancelling again: %d", status)
	}
	if out := s.must("queue", "list"); strings.Contains(out, "tell") || r.total.Load() != 0 {
		t.Errorf("something is left: %s, %d callbacks", out, r.total.Load())
	}
}

// TestNoAcceptedCallIsLost submits calls from several clients while the server
// is killed without a warning, again and again. Every call that was accepted
// comes back at its callback at least once. ROUSE_ASYNC_CALLS sets how many.
func TestNoAcceptedCallIsLost(t *testing.T) {
	needRoot(t)
	want, kills := 10_000, 8
	if text := os.Getenv("ROUSE_ASYNC_CALLS"); text != "" {
		var err error
		if want, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
		kills = max(kills, want/2500)
	}
	if testing.Short() {
		want, kills = 1000, 2
	}
	s, r := start(t), receive(t)
	s.must("deploy", s.node("tell", "limits: {timeout: 20s}\n"))
	var mu sync.Mutex
	accepted := map[string]bool{} // guarded by mu
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(accepted)
	}
	const clients = 16
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			c := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
			defer c.CloseIdleConnections()
			for i := 0; count() < want && t.Context().Err() == nil; i++ {
				id := fmt.Sprintf("c%d-%d", n, i)
				status, _, _, err := s.async(c, "tell", id, "X-Call-Id", id, "X-Callback-Url", r.URL)
				if err == nil && status == 202 {
					mu.Lock()
					accepted[id] = true
					mu.Unlock()
				} else {
					pause := time.NewTimer(20 * time.Millisecond) // the server is gone for now
					<-pause.C
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for k := range kills {
		s.waitFor("calls to be accepted", 2*time.Minute, func() bool { return count() >= want*(k+1)/(kills+1) })
		pause := time.NewTimer(time.Duration(rng.IntN(300)) * time.Millisecond)
		<-pause.C
		s.kill()
		s.run()
	}
	wg.Wait()
	missing := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		r.mu.Lock()
		defer r.mu.Unlock()
		for id := range accepted {
			if len(r.posts[id]) == 0 {
				n++
			}
		}
		return n
	}
	deadline := time.Now().Add(3 * time.Minute)
	for missing() > 0 && time.Now().Before(deadline) {
		pause := time.NewTimer(200 * time.Millisecond)
		<-pause.C
	}
	lost := missing()
	runs := map[string]int{}
	r.mu.Lock()
	for _, posts := range r.posts {
		seen := map[string]bool{}
		for _, p := range posts {
			var is told
			if err := json.Unmarshal([]byte(p.body), &is); err != nil {
				t.Fatalf("a callback with %q: %v", p.body, p.header)
			}
			seen[is.Run] = true
		}
		runs["again"] += len(seen) - 1
		runs["posted again"] += len(posts) - len(seen)
	}
	r.mu.Unlock()
	t.Logf("%d calls accepted, %d kills: %d lost; %d seen to run again, %d results posted again", len(accepted), kills, lost, runs["again"], runs["posted again"])
	if lost > 0 {
		t.Errorf("%d accepted calls are lost\n%s\n%s", lost, s.must("queue", "list"), tail(s.out.String(), 20))
	}
}

func TestScheduledFunctionsAreCalled(t *testing.T) {
	needRoot(t)
	s := start(t)
	if _, err := s.rouse("deploy", s.node("bad", "annotations: {topic: cron-function, schedule: often}\n")); err == nil || !strings.Contains(err.Error(), "cron expression") {
		t.Errorf("a schedule that is none: %v", err)
	}
	s.must("deploy", s.write(map[string]string{
		"rouse.yaml": "name: tick\nruntime: bash\nannotations: {topic: cron-function, schedule: '* * * * *'}\n",
		"handler.sh": "#!/usr/bin/env bash\necho tick \"$Http_X_Topic$HTTP_X_TOPIC\" >&2\n",
	}))
	s.stop()
	s.run()
	s.waitFor("a tick", 75*time.Second, func() bool { return strings.Contains(s.must("logs", "tick"), "tick cron-function") })
}
