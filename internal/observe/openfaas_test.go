package observe

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// foreignName reports whether a line is of a metric that another platform has
// named.
func foreignName(name string) bool {
	return regexp.MustCompile("^(gateway|http|provider|pod|queue_worker|faasnetes)_").MatchString(name)
}

// openfaasName is what OpenFaaS's clients call a function.
func openfaasName(ref fn.Ref) string {
	if ref.Namespace == "default" {
		return ref.Name + ".openfaas-fn"
	}
	return ref.Name + "." + ref.Namespace
}

// queues is a Queues.
type queues []Queue

func (q queues) Queues() iter.Seq[Queue] {
	return func(yield func(Queue) bool) {
		for _, v := range q {
			if !yield(v) {
				return
			}
		}
	}
}

func meter(cpu time.Duration, memory int64) Meter {
	return func() (engine.Usage, error) { return engine.Usage{CPU: cpu, Memory: memory}, nil }
}

// request sends one request through a counted handler.
func request(h *HTTP, method, path string, f http.HandlerFunc) {
	h.Wrap(path, f).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path+"/x", nil))
}

func TestForeignMetricsAreThoseOnRecord(t *testing.T) {
	o := busy()
	o.cfg.Names = openfaasName
	o.Record(call(fn.Ref{Namespace: "shop", Name: "cart"}, 10, 404))
	status := func(n int) http.HandlerFunc { return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(n) } }
	// Times are those of a machine: only the counts of these are compared.
	request(o.HTTP(), "GET", "/system/functions", status(200))
	request(o.HTTP(), "POST", "/async-function", status(202))
	text := scrape(t, o, Sources{
		Loads: loads{
			{
				Ref: fib, InFlight: 3, Held: 1, Wanted: 2, Instances: Instances{Ready: 1, Busy: 1, Frozen: 1}, Min: 1,
				Metric: fn.MetricConcurrency, Goal: 9, Meters: []Meter{meter(time.Second, 1<<20), meter(2*time.Second, 2<<20), func() (engine.Usage, error) { return engine.Usage{}, errors.New("it has ended") }},
			},
			{Ref: fib, InFlight: 1, Wanted: 1, Instances: Instances{Busy: 1, Draining: 1, Starting: 1}},
			{Ref: fn.Ref{Namespace: "default", Name: "new"}, InFlight: 2, Wanted: 1, Metric: fn.MetricRPS, Goal: 45},
		},
		Queues: queues{{Ref: fib, Name: "faas-request", Pending: 7, InFlight: 2, Submitted: 20, Processed: 11}},
	})
	took := regexp.MustCompile(`^(http|provider_http)_request_duration_seconds_(bucket|sum)`)
	golden(t, "testdata/openfaas.txt", lines(text, func(name string) bool { return foreignName(name) && !took.MatchString(name) }))
	if n := len(regexp.MustCompile(`(?m)^http_request_duration_seconds_bucket\{code="202",method="POST",path="/async-function",status="202",`).FindAllString(text, -1)); n != 12 {
		t.Errorf("%d buckets of a request, want 12", n)
	}
}

func TestForeignMetricsCanBeLeftOut(t *testing.T) {
	text := scrape(t, busy(), Sources{Loads: loads{{Ref: fib, InFlight: 3, Meters: []Meter{func() (engine.Usage, error) {
		t.Error("a meter was read for nothing")
		return engine.Usage{}, nil
	}}}}})
	if got := lines(text, foreignName); got != "" {
		t.Errorf("served all the same:\n%s", got)
	}
}

func TestDocsNameEveryForeignMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	exported, err := os.ReadFile("testdata/openfaas.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^# TYPE ([a-z_]+)").FindAllSubmatch(exported, -1) {
		if !strings.Contains(string(text), "| `"+string(m[1])+"`") {
			t.Errorf("docs/metrics.md does not know %s", m[1])
		}
	}
}

// value is the value of one line of a scrape.
func value(t *testing.T, text, line string) (v float64) {
	t.Helper()
	_, after, ok := strings.Cut(text, "\n"+line+" ")
	if !ok {
		t.Fatalf("no %s in\n%s", line, lines(text, foreignName))
	}
	if _, err := fmt.Sscan(after, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestStartedCallsAndProcessorTimeNeverFall(t *testing.T) {
	o := New(Config{Names: openfaasName})
	rev := fn.RevisionRef{Ref: fib, Number: 1}
	read := func(l Load) (started, cpu float64) {
		l.Ref = fib
		text := scrape(t, o, Sources{Loads: loads{l}})
		return value(t, text, `gateway_function_invocation_started{function_name="fib.openfaas-fn"}`),
			value(t, text, `pod_cpu_usage_seconds_total{function_name="fib.openfaas-fn",namespace="openfaas-fn"}`)
	}
	if started, cpu := read(Load{InFlight: 5, Held: 2, Meters: []Meter{meter(3*time.Second, 1)}}); started != 7 || cpu != 3 {
		t.Errorf("started %v, cpu %v; want 7, 3", started, cpu)
	}
	// Calls have left their instances and are not recorded yet, the instance
	// has ended and is not counted yet.
	if started, cpu := read(Load{}); started != 7 || cpu != 3 {
		t.Errorf("in between: started %v, cpu %v; want 7, 3", started, cpu)
	}
	for i := range 7 {
		o.Record(call(fib, i, 200))
	}
	o.InstanceExited(rev, engine.Exit{CPU: 4 * time.Second}, true)
	if started, cpu := read(Load{InFlight: 1, Meters: []Meter{meter(time.Second, 1)}}); started != 8 || cpu != 5 {
		t.Errorf("afterwards: started %v, cpu %v; want 8, 5", started, cpu)
	}
}

func TestStatusesAreExactAndBounded(t *testing.T) {
	o := New(Config{Names: openfaasName})
	for i := range 100 {
		o.Record(call(fib, i, 200+i%3)) // 200: 34, 201: 33, 202: 33
		o.Record(call(fib, i, 400+i))
		o.Record(call(fib, i, 0))
	}
	o.Record(call(fib, 1, 12345))
	text := scrape(t, o, Sources{})
	sum, rows := 0.0, 0
	for _, m := range regexp.MustCompile(`(?m)^gateway_function_invocation_total\{code="(\w+)",function_name="fib.openfaas-fn"\} (\d+)$`).FindAllStringSubmatch(text, -1) {
		var n float64
		if _, err := fmt.Sscan(m[2], &n); err != nil {
			t.Fatal(err)
		}
		sum += n
		rows++
		if want, ok := map[string]float64{"200": 34, "201": 33, "202": 33, "400": 1}[m[1]]; ok && n != want {
			t.Errorf("%s: %v calls, want %v", m[1], n, want)
		}
	}
	if sum != 301 || rows != maxCodes+2 {
		t.Errorf("%v calls in %d rows, want 301 in %d", sum, rows, maxCodes+2)
	}
	all := o.table.find(&fib).sums()
	if n := all.duration.total(); n != 301 {
		t.Errorf("the duration of all statuses has %d calls, want 301", n)
	}
}

func TestNoStatusIsLostWhenManyRecordAtOnce(t *testing.T) {
	o := New(Config{Names: openfaasName})
	const writers, each = 8, 4 * hotAfter
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				o.Record(call(fib, w*each+i, []int{200, 201, 404, 503}[i%4]))
			}
		})
	}
	wg.Wait()
	for code, r := range o.table.find(&fib).statuses() {
		if n := r.total(); n != writers*each/4 {
			t.Errorf("%s: %d calls counted, %d recorded", code, n, writers*each/4)
		}
	}
}

func TestOtherStatusesDoNotAllocate(t *testing.T) {
	o := New(Config{Records: 64})
	for i := range 4 * hotAfter {
		o.Record(call(fib, i, 201+i%20))
	}
	inv := call(fib, 1, 404)
	o.Record(inv)
	if n := testing.AllocsPerRun(1000, func() { o.Record(inv) }); n > 0.1 {
		t.Errorf("%v allocations a call", n)
	}
}

func TestRequestsAreCountedByWhatWasAnswered(t *testing.T) {
	var h HTTP
	request(&h, "GET", "/a", func(http.ResponseWriter, *http.Request) {})
	request(&h, "PUT", "/a", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })
	request(&h, "BREW", "/a", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(103)
		w.WriteHeader(418)
	})
	request(&h, "POST", "/a", func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("a counted handler cannot flush: %v", err)
		}
		w.(http.Flusher).Flush()
	})
	func() {
		defer func() { _ = recover() }()
		request(&h, "DELETE", "/a", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	}()
	for _, k := range []httpKey{{"/a", "GET", 200}, {"/a", "PUT", 200}, {"/a", other, 418}, {"/a", "POST", 200}, {"/a", "DELETE", 500}} {
		if row := h.rows[k]; row == nil {
			t.Errorf("%+v is not counted; there are %v", k, h.rows)
		}
	}
	for i := range 2 * maxHTTP {
		request(&h, "GET", fmt.Sprint("/", i), func(http.ResponseWriter, *http.Request) {})
	}
	if len(h.rows) > maxHTTP+1 {
		t.Errorf("%d rows", len(h.rows))
	}
	var none *HTTP
	request(none, "GET", "/a", func(http.ResponseWriter, *http.Request) {})
}
