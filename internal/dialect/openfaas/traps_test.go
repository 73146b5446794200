package openfaas_test

import (
	"bufio"
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openfaas/faas-provider/logs"
	"github.com/openfaas/faas-provider/types"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/observe"
)

func anyone(*http.Request) (auth.Identity, error) {
	return auth.Identity{Name: "admin", Grants: []auth.Grant{{Role: auth.Administrator}}}, nil
}

// slowTalk is a platform whose one function prints a line an hour.
type slowTalk struct{ openfaas.Control }

func (slowTalk) Namespace(context.Context, string) (fn.Namespace, error) { return fn.Namespace{}, nil }
func (slowTalk) Function(context.Context, fn.Ref) (control.View, error)  { return control.View{}, nil }

func (slowTalk) Logs(ctx context.Context, _ fn.Ref, q control.LogQuery) iter.Seq2[control.LogLine, error] {
	return func(yield func(control.LogLine, error) bool) {
		for q.Follow {
			select {
			case <-time.After(time.Hour):
			case <-ctx.Done():
				return
			}
			if !yield(control.LogLine{Time: time.Now(), Stream: "stdout", Text: "still here"}, nil) {
				return
			}
		}
	}
}

// Trap 11: the original ends the stream after a minute.
func TestFollowHasNoTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := openfaas.New(openfaas.Config{Control: slowTalk{}, Identify: anyone, Log: slog.New(slog.DiscardHandler)})
		ctx, leave := context.WithTimeout(t.Context(), 5*time.Hour+time.Minute)
		defer leave()
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", "/system/logs?name=f&follow=true&tail=-1", nil).WithContext(ctx))
		if n := strings.Count(w.Body.String(), "still here"); n != 5 || w.Code != http.StatusOK {
			t.Errorf("%d lines in five hours, status %d", n, w.Code)
		}
	})
}

func TestFollowSendsEachLineAtOnceUntilTheClientLeaves(t *testing.T) {
	r := start(t)
	r.must("POST", "/system/functions", `{"service":"hello","image":"example.com/a","envVars":{"PRINT":"one"}}`, 202)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/system/logs?follow=1&name=hello&tail=-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", r.password("admin"))
	resp, err := r.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "application/x-ndjson" || len(resp.TransferEncoding) != 1 || resp.TransferEncoding[0] != "chunked" {
		t.Errorf("%v %v", resp.Header, resp.TransferEncoding)
	}
	lines := bufio.NewScanner(resp.Body)
	for i := range 2 {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		var m logs.Message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil || m.Text != "one\n" || m.Name != "hello" || m.Namespace != "openfaas-fn" || m.Instance == "" || m.Timestamp.IsZero() {
			t.Errorf("line %d: %s, %v", i, lines.Text(), err)
		}
		if i == 0 { // a second instance prints while the stream is open
			r.must("POST", "/system/scale-function/hello", `{"serviceName":"hello","replicas":2}`, 202)
		}
	}
	leave() // goleak sees whether the handler ends
}

// Trap 3: faas-cli writes the gateway's URL in lower case.
func TestPathsAreInLowerCase(t *testing.T) {
	for _, row := range openfaas.Table() {
		if row.Path != strings.ToLower(row.Path) {
			t.Errorf("%s cannot be reached by faas-cli", row.Path)
		}
	}
}

// counted counts what a listing asks of the platform.
type counted struct {
	openfaas.Control
	lists, others atomic.Int64
}

func (c *counted) Functions(ctx context.Context, namespace string, labels map[string]string) ([]control.View, error) {
	c.lists.Add(1)
	return c.Control.Functions(ctx, namespace, labels)
}

func (c *counted) Function(ctx context.Context, ref fn.Ref) (control.View, error) {
	c.others.Add(1)
	return c.Control.Function(ctx, ref)
}

func (c *counted) Instances(ctx context.Context, ref fn.Ref) ([]control.InstanceView, error) {
	c.others.Add(1)
	return c.Control.Instances(ctx, ref)
}

// Trap 12: the original asks the provider and Prometheus for each listing.
func TestListingAsksOnce(t *testing.T) {
	var c counted
	r := start(t, func(cfg *openfaas.Config) { c.Control, cfg.Control = cfg.Control, &c })
	for _, name := range []string{"a", "b", "c"} {
		ref := fn.Ref{Namespace: "default", Name: name}
		r.native(ref, fn.Spec{})
		r.calls.Store(ref, uint64(len(name)))
	}
	if got := r.must("GET", "/system/functions", "", 200); strings.Count(got, `"invocationCount":1`) != 3 {
		t.Errorf("counts: %s", got)
	}
	if c.lists.Load() != 1 || c.others.Load() != 0 {
		t.Errorf("%d listings and %d other questions", c.lists.Load(), c.others.Load())
	}
}

// heard keeps the values of secrets it is given.
type heard struct {
	*control.Controller
	mu     sync.Mutex
	values []string // guarded by mu
}

func (h *heard) CreateSecret(_ context.Context, _, _ string, value []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values = append(h.values, string(value))
	return nil
}

// Trap 14: faas-cli secret apply sends the trimmed text and the bytes as they
// are.
func TestRawValueWinsOverValue(t *testing.T) {
	var h heard
	r := start(t, func(cfg *openfaas.Config) { cfg.Secrets = &h })
	for _, s := range []types.Secret{
		{Name: "a", Value: "s3cret", RawValue: []byte(" s3cret\n")}, {Name: "b", Value: "s3cret"}, {Name: "c", RawValue: []byte{0, 0xff}},
	} {
		r.must("POST", "/system/secrets", body(t, s), 201)
	}
	if got := strings.Join(h.values, "|"); got != " s3cret\n|s3cret|\x00\xff" {
		t.Errorf("%q", got)
	}
	r.must("POST", "/system/secrets", `{"name":"No","value":"s3cret"}`, 400)
	r.must("POST", "/system/secrets", `{"name":"n","value":{"s3cret":1}}`, 400)
	if strings.Contains(r.logged(), "s3cret") {
		t.Errorf("a value is in the log: %s", r.logged())
	}
}

// Trap 14 too: without -n the client never recognises what is there; 409 and
// then PUT saves it. Trap 15: it exits 0 whatever happens, so that the text has
// to say it.
func TestSecretsAreAppliedTwice(t *testing.T) {
	r := start(t)
	for range 2 {
		for _, s := range []types.Secret{{Name: "one", Value: "1", RawValue: []byte("1\n")}, {Name: "two", Value: "2", RawValue: []byte("2")}} {
			var listed []types.Secret
			if err := json.Unmarshal([]byte(r.must("GET", "/system/secrets", "", 200)), &listed); err != nil {
				t.Fatal(err)
			}
			for _, there := range listed {
				if there.Namespace == "" || there.Value != "" || there.RawValue != nil {
					t.Errorf("listed: %+v", there)
				}
			}
			if resp, got := r.as("admin", "POST", "/system/secrets", body(t, s)); resp.StatusCode == http.StatusConflict {
				if !strings.Contains(got, "exists already") {
					t.Errorf("refused with %q", got)
				}
				r.must("PUT", "/system/secrets", body(t, s), 202)
			} else if resp.StatusCode != http.StatusCreated {
				t.Errorf("status %d: %s", resp.StatusCode, got)
			}
		}
	}
}

// What is wanted shows before it is there.
func TestReplicasShowWhatIsWantedAtOnce(t *testing.T) {
	r := start(t)
	released := sync.OnceFunc(func() { close(r.engine.gate) })
	defer released()
	r.must("POST", "/system/functions", `{"service":"hello","image":"example.com/a"}`, 202)
	r.engine.slow.Store(true)
	r.must("POST", "/system/scale-function/hello", `{"serviceName":"hello","replicas":3}`, 202)
	if s := r.status("hello"); s.Replicas != 3 || s.AvailableReplicas != 1 {
		t.Errorf("at once: %d of %d replicas", s.AvailableReplicas, s.Replicas)
	}
	released()
	r.until("all are there", func() bool { return r.status("hello").AvailableReplicas == 3 })
	r.must("POST", "/system/scale-function/hello", `{"serviceName":"hello","replicas":0}`, 202)
	if s := r.status("hello"); s.Replicas != 0 {
		t.Errorf("at once: %d replicas, want none", s.Replicas)
	}
	r.until("none is there", func() bool { return r.status("hello").AvailableReplicas == 0 })
}

func TestRequestsAreCountedByTheirRoute(t *testing.T) {
	var counters observe.HTTP
	var mu sync.Mutex
	seen := map[string]bool{}
	r := start(t, func(c *openfaas.Config) {
		c.Count = func(route string, next http.Handler) http.Handler {
			mu.Lock()
			seen[route] = true
			mu.Unlock()
			return counters.Wrap(route, next)
		}
	})
	r.must("GET", "/system/function/nothing", "", 404)
	r.must("GET", "/system/logs?name=nothing&follow=true", "", 404)
	for _, want := range []string{"/system/functions", "/system/function", "/system/scale-function", "/system/namespace", "/system/alert"} {
		if !seen[want] {
			t.Errorf("%s is not counted: %v", want, seen)
		}
	}
	for route := range seen {
		if strings.Contains(route, "{") {
			t.Errorf("%s would be a label for each function", route)
		}
	}
}

func TestReplicasAreWhatWasSaidOrWhatTrafficWants(t *testing.T) {
	said := func(n int) *int { return &n }
	for _, row := range []struct {
		said *int
		min  int
		now  control.Replicas
		want int
	}{
		{nil, 1, control.Replicas{}, 1},
		{nil, 0, control.Replicas{Ready: 1, Busy: 2, Frozen: 1, Starting: 1, Draining: 4}, 5},
		{nil, 3, control.Replicas{Ready: 1}, 3},
		{said(3), 1, control.Replicas{Ready: 1}, 3},
		{said(0), 1, control.Replicas{Draining: 2, Starting: 1}, 0},
		{said(0), 1, control.Replicas{Busy: 1}, 1}, // a call woke it
		{said(2), 1, control.Replicas{Ready: 1, Busy: 4}, 5},
	} {
		v := control.View{Function: fn.Function{Replicas: row.said}, Replicas: row.now}
		v.Spec.Scale.Min = row.min
		if got := openfaas.Wanted(v); got != row.want {
			t.Errorf("said %v, at least %d, %+v: %d, want %d", row.said, row.min, row.now, got, row.want)
		}
	}
}

func TestPageNamesTheCommandLines(t *testing.T) {
	r := start(t)
	resp, got := r.as("eye", "GET", "/ui/", "")
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") ||
		!strings.Contains(got, "faas-cli login") || strings.Contains(got, "http") {
		t.Errorf("%d %v\n%s", resp.StatusCode, resp.Header, got)
	}
}
