package observe

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

var update = flag.Bool("update", false, "rewrite testdata/metrics.txt")

// busy returns an observer in which everything has happened once.
func busy() *Observer {
	o := New(Config{Version: "1.2.3"})
	ok := call(fib, 1, 200)
	o.Record(ok)
	cold := call(fib, 2, 200)
	cold.Kind = fn.Cold
	cold.Timing = fn.Timing{Route: time.Microsecond, Queue: time.Millisecond, Start: 4 * time.Millisecond, Init: 20 * time.Millisecond, Run: time.Millisecond}
	o.Record(cold)
	failed := call(fib, 3, 504)
	failed.Cause, failed.Phase = "deadline", fn.PhaseRun
	o.Record(failed)
	left := call(fib, 4, 0)
	left.Cause, left.Phase = "client-left", fn.PhaseReply
	o.Record(left)
	unknown := call(fn.Ref{Namespace: "default", Name: "nope"}, 5, 404)
	unknown.Revision.Number, unknown.Phase, unknown.Cause = 0, fn.PhaseRoute, "no-such-function"
	o.Record(unknown)

	rev := fn.RevisionRef{Ref: fib, Number: 3}
	o.InstanceStarted(rev, 4*time.Millisecond, 20*time.Millisecond, nil)
	o.InstanceStarted(rev, 0, 0, &fn.Failure{Kind: fn.Unavailable, Cause: "exited"})
	o.InstanceExited(rev, engine.Exit{CPU: 250 * time.Millisecond}, true)
	o.InstanceExited(rev, engine.Exit{Code: -1, Signal: "killed", OOM: true}, false)
	o.InstanceExited(rev, engine.Exit{Code: -1, Signal: "segmentation fault"}, false)
	o.InstanceExited(rev, engine.Exit{Code: 3}, false)
	o.InstanceExited(rev, engine.Exit{}, false)
	return o
}

func scrape(t *testing.T, o *Observer, src Sources) string {
	t.Helper()
	h, err := o.Handler(src, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetricsAreThoseOnRecord(t *testing.T) {
	src := loads{
		{Ref: fib, InFlight: 3, Held: 1, Wanted: 2, Instances: Instances{Ready: 1, Busy: 1, Frozen: 1}},
		{Ref: fib, InFlight: 1, Wanted: 1, Instances: Instances{Busy: 1, Draining: 1, Starting: 1}},
	}
	dropped := Number{Name: "rouse_log_dropped_lines_total", Help: "Lines.", Counter: true, Read: func() float64 { return 7 }}
	text := scrape(t, busy(), Sources{Loads: src, Numbers: []Number{dropped}})
	golden(t, "testdata/metrics.txt", lines(text, func(name string) bool { return strings.HasPrefix(name, "rouse_") }))
}

// lines keeps those of the metrics with a wanted name.
func lines(text string, want func(name string) bool) string {
	var got strings.Builder
	for line := range strings.Lines(text) {
		if want(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE ")) {
			got.WriteString(line)
		}
	}
	return got.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("metrics changed (-file +now); run with -update and mend docs/metrics.md:\n%s", diff)
	}
}

func TestMetricsPassThePrometheusLinter(t *testing.T) {
	src := loads{{Ref: fib, InFlight: 3}}
	problems, err := promlint.New(strings.NewReader(scrape(t, busy(), Sources{Loads: src}))).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

func TestDocsNameEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	inDocs := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(rouse_[a-z_]+)`").FindAllSubmatch(text, -1) {
		inDocs[string(m[1])] = true
	}
	exported := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^# TYPE (rouse_[a-z_]+)").FindAllSubmatch(golden, -1) {
		exported[string(m[1])] = true
		if !inDocs[string(m[1])] {
			t.Errorf("docs/metrics.md does not know %s", m[1])
		}
	}
	for name := range inDocs {
		if !exported[name] && !strings.HasPrefix(name, "rouse_log_") {
			t.Errorf("docs/metrics.md tells of %s, which is not exported", name)
		}
	}
}

func TestProcessAndRuntimeMetricsAreServed(t *testing.T) {
	text := scrape(t, New(Config{}), Sources{})
	for _, name := range []string{"process_resident_memory_bytes", "process_open_fds", "go_goroutines", "rouse_build_info"} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestNumberWithATakenNameIsAnError(t *testing.T) {
	_, err := New(Config{}).Handler(Sources{Numbers: []Number{{Name: "rouse_calls_held", Help: "Twice."}}}, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Error("accepted")
	}
}

func TestCountersNeverFallWhileCallsAreRecorded(t *testing.T) {
	o := New(Config{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					inv := call(fib, i*2+w, []int{200, 500}[i%2])
					inv.Kind = fn.StartKind(i % kinds)
					o.Record(inv)
				}
			}
		})
	}
	last := map[string]string{}
	for range 30 {
		for line := range strings.Lines(scrape(t, o, Sources{})) {
			name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
			if !ok || !strings.HasPrefix(name, "rouse_call") {
				continue
			}
			if fell(last[name], value) {
				t.Errorf("%s fell from %s to %s", name, last[name], value)
			}
			last[name] = value
		}
	}
	close(stop)
	wg.Wait()
	if len(last) == 0 {
		t.Error("nothing was compared")
	}
}

func fell(before, after string) bool {
	var a, b float64
	if before == "" {
		return false
	}
	_, err1 := fmt.Sscan(before, &a)
	_, err2 := fmt.Sscan(after, &b)
	return err1 != nil || err2 != nil || b < a
}

func TestALabelThatIsNotTextDoesNotHideTheRest(t *testing.T) {
	o := busy()
	bad := call(fib, 9, 500)
	bad.Cause = "\xff"
	o.Record(bad)
	var logged bytes.Buffer
	h, err := o.Handler(Sources{}, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `cause="deadline"`) {
		t.Errorf("status %d, %d bytes", w.Code, w.Body.Len())
	}
	if !strings.Contains(logged.String(), "level=WARN") {
		t.Errorf("nobody was told: %q", logged.String())
	}
}
