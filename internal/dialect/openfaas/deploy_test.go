package openfaas_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openfaas/faas-provider/types"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas"
	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

var hello = fn.Ref{Namespace: "default", Name: "hello"}

// body is a request as the clients make it.
func body(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (r *rig) status(name string) types.FunctionStatus {
	r.t.Helper()
	var s types.FunctionStatus
	if err := json.Unmarshal([]byte(r.must("GET", "/system/function/"+name, "", 200)), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) view(ref fn.Ref) control.View {
	r.t.Helper()
	v, err := r.Function(r.t.Context(), ref)
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

func TestDeploymentComesBackAsItWasSent(t *testing.T) {
	r := start(t)
	many := map[string]string{"fprocess": "overridden", "a": ""}
	for i := range 200 {
		many[fmt.Sprintf("a_variable_with_a_long_name_%03d_%s", i, strings.Repeat("x", 40))] = "v"
	}
	sent := types.FunctionDeployment{
		Service: "hello", Image: "example.com/me/hello:0.1@sha256:abc", Namespace: "openfaas-fn",
		EnvProcess: "cat  \"a b\"\n\t🐈", EnvVars: many,
		Constraints: []string{"node.role == a", strings.Repeat("日本", 1500)},
		Labels:      &map[string]string{"com.openfaas.scale.type": "my-rule", "x/y": "z"},
		Annotations: &map[string]string{"topic": "a,b"},
		Limits:      &types.FunctionResources{Memory: "5Mi", CPU: "5m", NvidiaGPU: "1"},
		Requests:    &types.FunctionResources{Memory: "1e6", CPU: "0.10"}, ReadOnlyRootFilesystem: true,
	}
	r.must("POST", "/system/functions", body(t, sent), 202)
	got := r.status("hello")
	want := map[string]string{"faas_function": "hello"}
	maps.Copy(want, *sent.Labels)
	if got.CreatedAt.IsZero() || got.AvailableReplicas != 1 || got.Replicas != 1 {
		t.Errorf("status %+v", got)
	}
	back := types.FunctionDeployment{
		Service: got.Name, Image: got.Image, Namespace: got.Namespace, EnvProcess: got.EnvProcess, EnvVars: got.EnvVars,
		Constraints: got.Constraints, Secrets: got.Secrets, Labels: got.Labels, Annotations: got.Annotations,
		Limits: got.Limits, Requests: got.Requests, ReadOnlyRootFilesystem: got.ReadOnlyRootFilesystem,
	}
	sent.Labels = &want
	if diff := cmp.Diff(sent, back); diff != "" {
		t.Error(diff)
	}
	spec := r.view(hello).Spec
	if spec.Env["fprocess"] != sent.EnvProcess || spec.Env["FROM_IMAGE"] != "1" || spec.Limits.Memory != 32<<20 || spec.Limits.CPU != 10 {
		t.Errorf("spec %+v", spec)
	}
	for _, part := range []string{"my-rule", "constraints", "requests", "gpu"} {
		if !strings.Contains(r.logged(), part) {
			t.Errorf("the log does not say that %s has no effect: %s", part, r.logged())
		}
	}
}

func TestWhatAnotherDialectChangedIsToldAsItIs(t *testing.T) {
	r := start(t)
	r.must("POST", "/system/functions", `{"service":"hello","image":"example.com/a","envProcess":"cat","limits":{"memory":"64Mi","cpu":"0.5"}}`, 202)
	v := r.view(hello)
	spec := v.Spec
	spec.Limits.Memory, spec.Env = 128<<20, map[string]string{"fprocess": "tac"}
	if _, err := r.Deploy(t.Context(), control.Deploy{Ref: hello, Spec: spec, Revision: 1, Annotations: v.Annotations}, func(control.Event) {}); err != nil {
		t.Fatal(err)
	}
	s := r.status("hello")
	if s.Limits.Memory != "128Mi" || s.Limits.CPU != "0.5" || s.EnvProcess != "" {
		t.Errorf("status %+v, limits %+v", s, s.Limits)
	}
}

func TestImageOfARevisionKeepsWhatTheDeploymentDoesNotSay(t *testing.T) {
	r := start(t)
	spec := fn.Spec{Env: map[string]string{"A": "1"}}
	spec.Scale.Max, spec.Limits.Timeout = 3, 5*time.Second
	r.native(hello, spec)
	image := r.status("hello").Image
	if image != "rouse.local/default/hello:1" {
		t.Fatalf("image %s", image)
	}
	r.must("PUT", "/system/functions", body(t, types.FunctionDeployment{
		Service: "hello", Image: image, EnvVars: map[string]string{"B": "2"}, Labels: &map[string]string{"com.openfaas.scale.type": "cpu"},
	}), 202)
	v := r.view(hello)
	if v.Latest != 2 || v.Spec.Image != image || v.Spec.Runtime != "python" || v.Spec.Limits.Timeout != 5*time.Second {
		t.Errorf("%+v", v.Function)
	}
	if s := v.Spec.Scale; s.Min != 0 || s.Max != 3 || s.Concurrency != 32 || s.Metric != fn.MetricCPU || s.Goal != 45 {
		t.Errorf("scale %+v", s)
	}
	if s := r.status("hello"); s.Image != image || !cmp.Equal(s.EnvVars, map[string]string{"B": "2"}) {
		t.Errorf("status %+v", s)
	}
}

func TestClientThatLeavesDoesNotUndoItsDeploy(t *testing.T) {
	r := start(t)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/system/functions",
			strings.NewReader(`{"service":"hello","image":"example.com/a","envVars":{"HOLD":"1"}}`))
		if err != nil {
			left <- err
			return
		}
		req.SetBasicAuth("admin", r.password("admin"))
		resp, err := r.Client().Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		left <- err
	}()
	r.until("an instance starts", func() bool { return r.engine.starts.Load() > 0 })
	leave()
	if err := <-left; err == nil {
		t.Error("it was answered")
	}
	close(r.engine.gate)
	r.until("it is deployed", func() bool { _, err := r.Function(t.Context(), hello); return err == nil })
}

func TestDeployThatTakesLongIsAnsweredFor(t *testing.T) {
	r := start(t, func(c *openfaas.Config) { c.Wait = time.Millisecond })
	r.must("POST", "/system/functions", `{"service":"hello","image":"example.com/a","envVars":{"HOLD":"1"}}`, 202)
	r.must("GET", "/system/function/hello", "", 404) // accepted, not there yet
	close(r.engine.gate)
	r.until("it is deployed", func() bool { _, err := r.Function(t.Context(), hello); return err == nil })
	r.until("its end is in the log", func() bool { return strings.Contains(r.logged(), "a deploy nobody waited for has ended") })
}

func TestCloseEndsDeploysAndTakesNoMore(t *testing.T) {
	r := start(t, func(c *openfaas.Config) { c.Wait = time.Millisecond })
	r.must("POST", "/system/functions", `{"service":"hello","image":"example.com/a","envVars":{"HOLD":"1"}}`, 202)
	if err := r.api.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.must("POST", "/system/functions", `{"service":"hello","image":"example.com/a"}`, 503); !strings.Contains(got, "stopping") {
		t.Error(got)
	}
	if _, err := r.Function(t.Context(), hello); fn.KindOf(err) != fn.NotFound {
		t.Errorf("after Close: %v", err)
	}
}

func TestUsageIsWhatWasUsedBetweenTwoLooks(t *testing.T) {
	look := func(id string, cpu time.Duration) control.InstanceView {
		return control.InstanceView{ID: id, Usage: engine.Usage{CPU: cpu, Memory: 10}}
	}
	cpu, memory := openfaas.UsageOf(
		[]control.InstanceView{look("a", time.Second), look("b", 3*time.Second), look("gone", time.Second)},
		[]control.InstanceView{look("a", 1500*time.Millisecond), look("b", 4*time.Second), look("new", time.Minute)}, 2)
	if cpu != 750 || memory != 30 {
		t.Errorf("%v millicores, %v bytes; want 750 and 30", cpu, memory)
	}
	if cpu, memory := openfaas.UsageOf(nil, nil, 1); cpu != 0 || memory != 0 {
		t.Error("there is usage of nothing")
	}
}
