package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestInstancesFollowTheRateOfCalls(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", s.hello("scale: {max: 4, concurrency: 100, metric: rps, goal: 5}\n"))
	if got := s.must("describe", "hello"); !strings.Contains(got, "5 rps each") {
		t.Errorf("rouse describe does not tell the goal:\n%s", got)
	}
	began, n := time.Now(), 0
	s.waitFor("four instances", 20*time.Second, func() bool {
		if status, _, _ := s.call("hello", ""); status != 200 {
			t.Fatalf("call %d: status %d", n, status)
		}
		n++
		return s.function("hello").Status.Replicas.Total() == 4
	})
	t.Logf("%d calls in %v made it grow to 4", n, time.Since(began).Round(time.Millisecond))
	if got := s.metric("gateway_function_invocation_total", `code="200",function_name="hello.openfaas-fn"`); int(got) != n {
		t.Errorf("%v calls in the metrics, %d were made", got, n)
	}
	if got := s.metric("gateway_service_target_load", `function_name="hello.openfaas-fn",scaling_type="rps"`); got != 5 {
		t.Errorf("the metrics have a goal of %v, want 5", got)
	}
	if got := s.metric("pod_memory_working_set_bytes", `function_name="hello.openfaas-fn"`); got < 1<<20 {
		t.Errorf("four instances use %v bytes", got)
	}
	began = time.Now()
	s.waitFor("one instance", 60*time.Second, func() bool { return s.function("hello").Status.Replicas.Total() == 1 })
	t.Logf("it shrank to 1 within %v", time.Since(began).Round(time.Millisecond))
}

func TestInstancesFollowTheirProcessorTime(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", s.write(map[string]string{
		"rouse.yaml": "name: busy\nruntime: go\nscale: {max: 3, concurrency: 100, metric: cpu, goal: 50}\n",
		"go.mod":     "module busy\n\ngo 1.26\n",
		"handler.go": `package function

import (
	"net/http"
	"time"
)

func Handle(w http.ResponseWriter, r *http.Request) {
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
	}
}
`,
	}))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		c := &http.Client{Transport: &http.Transport{}}
		defer c.CloseIdleConnections()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if status, _, _, err := s.tryCall(c, "busy", ""); err != nil || status != 200 {
				t.Errorf("status %d, %v", status, err)
				return
			}
		}
	})
	defer wg.Wait()
	defer close(stop)
	s.waitFor("three instances", 40*time.Second, func() bool { return s.function("busy").Status.Replicas.Total() == 3 })
	if got := s.metric("pod_cpu_usage_seconds_total", `function_name="busy.openfaas-fn"`); got <= 0 {
		t.Errorf("%v seconds of processor time", got)
	}
}

func TestNumbersOfCallsSurviveAKill(t *testing.T) {
	needRoot(t)
	s := start(t)
	for _, name := range []string{"kept", "gone"} {
		s.must("deploy", s.echo(name, "hi"))
	}
	calls := func(n int) {
		for range n {
			if status, body, _ := s.call("kept", ""); status != 200 {
				t.Fatalf("status %d, %s", status, body)
			}
		}
	}
	file := func() string {
		text, err := os.ReadFile(filepath.Join(s.data, "calls"))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(text)
	}
	saved := func(n int) func() bool {
		return func() bool { return strings.Contains(file(), fmt.Sprintf("\n%d default/kept\n", n)) }
	}
	calls(20)
	s.call("gone", "")
	s.waitFor("the numbers on disk", 15*time.Second, saved(20))
	s.must("remove", "gone")
	s.kill()
	s.run()
	calls(5)
	s.stop()
	if !saved(25)() || strings.Contains(file(), "gone") {
		t.Errorf("after 20 calls, a kill and 5 calls the file holds %q", file())
	}
	s.run()
}
