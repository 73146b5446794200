package native_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/dialect/native"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
	"rouse.dev/rouse/internal/fn"
)

// server is a running API with short hands for requests by admin.
type server struct{ *nativetest.Server }

func start(t *testing.T) server {
	t.Helper()
	s, err := nativetest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return server{s}
}

func (s server) request(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", s.Password)
	return req
}

func (s server) do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func (s server) status(t *testing.T, method, path, user, password string) int {
	t.Helper()
	req := s.request(t, method, path, "{}")
	req.Header.Del("Authorization")
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, _ := s.do(t, req)
	return resp.StatusCode
}

// must sends a request by admin and wants a status.
func (s server) must(t *testing.T, method, path, body string, want int) string {
	t.Helper()
	resp, got := s.do(t, s.request(t, method, path, body))
	if resp.StatusCode != want {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, resp.StatusCode, want, got)
	}
	return got
}

// fails sends a request by admin and wants an error.
func (s server) fails(t *testing.T, method, path, body string, want int) *api.Error {
	t.Helper()
	var e api.ErrorBody
	if err := json.Unmarshal([]byte(s.must(t, method, path, body, want)), &e); err != nil || e.Error == nil || e.Error.Message == "" {
		t.Fatalf("%s %s: not an error body: %v", method, path, err)
	}
	return e.Error
}

// deploy uploads something and deploys it with the given fields of a spec.
func (s server) deploy(t *testing.T, namespace, name, spec string) []api.DeployEvent {
	t.Helper()
	var src api.Source
	if err := json.Unmarshal([]byte(s.must(t, "POST", "/v1/sources", name, 201)), &src); err != nil {
		t.Fatal(err)
	}
	body := s.must(t, "PUT", "/v1/namespaces/"+namespace+"/functions/"+name, `{"source":"`+src.Digest+`","spec":{`+spec+`}}`, 200)
	return linesOf[api.DeployEvent](t, body)
}

func linesOf[T any](t *testing.T, body string) []T {
	t.Helper()
	var out []T
	dec := json.NewDecoder(strings.NewReader(body))
	for {
		var v T
		if err := dec.Decode(&v); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
}

func TestLifeOfAFunction(t *testing.T) {
	s := start(t)
	one := "/v1/namespaces/default/functions/hello"
	events := s.deploy(t, "default", "hello", `"runtime":"python","limits":{"memory":"64Mi","timeout":"5m"},"scale":{"freeze":"never"}`)
	f := events[len(events)-1].Function
	if f == nil || f.Status.State != "ready" || f.Traffic[0].Revision != 1 {
		t.Fatalf("the last event is %+v", events[len(events)-1])
	}
	want := api.Spec{
		Runtime: "python", Mode: "handler", Network: "on",
		Limits: api.Limits{Memory: "64Mi", CPU: "1", Pids: 256, Tmp: "64Mi", Timeout: "5m", Start: "30s"},
		Scale:  api.Scale{Max: 10, Concurrency: 32, Target: 70, Queue: 1024, Freeze: "never", Idle: "5m"},
	}
	if diff := cmp.Diff(want, f.Spec); diff != "" {
		t.Errorf("the spec with defaults:\n%s", diff)
	}
	s.deploy(t, "default", "hello", `"runtime":"python"`)
	s.must(t, "POST", one+"/rollback", `{}`, 200)
	s.must(t, "POST", one+"/scale", `{"replicas":3}`, 200)
	var instances api.InstanceList
	if err := json.Unmarshal([]byte(s.must(t, "GET", one+"/instances", "", 200)), &instances); err != nil {
		t.Fatal(err)
	}
	if len(instances.Instances) != 3 || instances.Instances[0].Revision != 1 {
		t.Errorf("instances %+v", instances)
	}
	var revisions api.RevisionList
	if err := json.Unmarshal([]byte(s.must(t, "GET", one+"/revisions", "", 200)), &revisions); err != nil {
		t.Fatal(err)
	}
	if len(revisions.Revisions) != 2 || revisions.Revisions[0].Number != 2 || revisions.Revisions[1].Weight != 100 {
		t.Errorf("revisions %+v", revisions)
	}
	s.must(t, "DELETE", one, "", 204)
	if e := s.fails(t, "GET", one, "", 404); e.Hint == "" || e.Kind != "not-found" {
		t.Errorf("error %+v", e)
	}
}

func TestAllMistakesOfADeployAreToldAtOnce(t *testing.T) {
	s := start(t)
	const one = "/v1/namespaces/default/functions/f"
	for name, row := range map[string]struct {
		body string
		want []string
	}{
		"shape": {`{"spec":{"runtime":1,"limits":{"memory":5},"sclae":{}},"source":null,"env":{}}`, []string{
			"env: is not a known field: there are annotations, artifact, image, labels, revision, source, spec",
			"source: must be text",
			"spec.limits.memory: must be text",
			"spec.runtime: must be text",
			"spec.sclae: is not a known field: there are command, env, handler, image, limits, mode, network, runtime, scale, secrets",
		}},
		"values": {`{"spec":{"runtime":"py thon","limits":{"memory":"0","cpu":"-1","tmp":"1Xi","timeout":"60"},"scale":{"max":-1}},"source":"x"}`, []string{
			"limits.memory: must be more than 0, got 0",
			`limits.cpu: "-1" is not a share of processors: write cores as 500m, 0.5 or 2`,
			`limits.tmp: "1Xi" is not a size: write bytes as 4096, 64Ki, 128Mi or 1Gi`,
			`limits.timeout: "60" is not a time span: write it as 250ms, 60s or 1h30m`,
			`source: must be "sha256:" and 64 digits of 0-9 and a-f`,
			`runtime: "py thon" is not the name of a runtime`,
			"scale.max: must be between 1 and 1000, got -1",
			"scale.min: must be between 0 and scale.max (-1), got 0",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := s.fails(t, "PUT", one, row.body, 400)
			if diff := cmp.Diff(row.want, e.Mistakes); diff != "" {
				t.Error(diff)
			}
		})
	}
	if e := s.fails(t, "PUT", one, `{"spec":{"runtime":"python"}}`, 400); e.Message != "source: give exactly one of source, artifact, revision and image: what is to run" {
		t.Errorf("one mistake reads %q", e.Message)
	}
	s.fails(t, "GET", one, "", 404) // nothing was made
}

func TestBadRequests(t *testing.T) {
	s := start(t)
	for _, row := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v1/nothing", "", 404, "there is nothing at /v1/nothing"},
		{"GET", "/", "", 404, "there is nothing at /"},
		{"POST", "/v1/functions", "", 405, "POST is not a method of /v1/functions"},
		{"GET", "/v1/namespaces/UP/functions/-x", "", 400, "2 things are wrong"},
		{"GET", "/v1/functions?label=a", "", 400, "query label: is not a parameter here"},
		{"GET", "/v1/functions?labels=a", "", 400, `query labels: "a" is not KEY=VALUE`},
		{"GET", "/v1/namespaces/default/functions/f/logs?tail=x&since=y&follow=z&w=1", "", 400, "4 things are wrong"},
		{"GET", "/v1/namespaces/default/functions/f/logs", "", 404, "there is no function default/f"},
		{"POST", "/v1/namespaces", "", 400, "the request has no body"},
		{"POST", "/v1/namespaces", "[", 400, "the body is not JSON: unexpected end of JSON input"},
		{"POST", "/v1/namespaces", "[]", 400, "the body: must be an object"},
		{"POST", "/v1/namespaces", `{"name":"a","created":"2026-01-01T00:00:00Z"}`, 400, "created: is set by the server"},
		{"POST", "/v1/namespaces", `{"name":"a","created":5}`, 400, "created: must be a time, such as 2026-01-31T12:00:00Z"},
		{"POST", "/v1/namespaces", `{"name":"openfaas-fn"}`, 400, `namespace: "openfaas-fn" is another name of namespace default: choose another one`},
		{"PUT", "/v1/namespaces/default", `{"name":"a"}`, 400, "name: must be that of the path: a namespace keeps its name"},
		{"PUT", "/v1/namespaces/nothing", `{"labels":{}}`, 404, "there is no namespace nothing"},
		{"POST", "/v1/namespaces", `{"name":"default"}`, 409, "namespace default exists already"},
		{"POST", "/v1/namespaces/default/functions/f/scale", `{"replicas":1.5}`, 400, "replicas: must be a whole number"},
		{"POST", "/v1/namespaces/default/functions/f/scale", `{"replicas":-1}`, 400, "replicas: must be between 0 and 1000, or null for the autoscaler"},
		{"POST", "/v1/namespaces/default/functions/f/rollback", `{"revision":-1}`, 400, "revision: must not be negative"},
		{"GET", "/v1/sources/sha256:12", "", 400, `digest: must be "sha256:" and 64 digits of 0-9 and a-f`},
		{"POST", "/v1/restore", "garbage", 400, "this is not a backup: invalid character 'g' looking for beginning of value"},
		{"POST", "/v1/namespaces", `{"name":"` + strings.Repeat("x", 2<<20) + `"}`, 413, "the request is larger than 2Mi"},
		{"POST", "/v1/sources", strings.Repeat("x", 9<<20), 413, "the source archive is larger than 8Mi"},
	} {
		if e := s.fails(t, row.method, row.path, row.body, row.status); e.Message != row.want {
			t.Errorf("%s %s: %q, want %q", row.method, row.path, e.Message, row.want)
		}
	}
}

func TestUploadWithoutALengthIsCutOffAtTheLimit(t *testing.T) {
	s := start(t)
	req := s.request(t, "POST", "/v1/sources", "")
	req.Body = io.NopCloser(io.LimitReader(zeros{}, 9<<20))
	req.ContentLength = -1
	resp, body := s.do(t, req)
	if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, ".rouseignore") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestFailedDeploysEndTheStreamWithTheReason(t *testing.T) {
	s := start(t)
	for name, want := range map[string]api.Error{
		nativetest.FailBuild: {Kind: "invalid", Phase: "init", Cause: "build-failed", Exit: "exit status 1", Output: []string{"no module named x"}},
		nativetest.FailStart: {Kind: "unavailable", Phase: "init", Cause: "exited", Exit: "exit status 1", Output: []string{"no module named x"}},
	} {
		events := s.deploy(t, "default", "f", `"runtime":"python","env":{"`+name+`":"no module named x"}`)
		last := events[len(events)-1]
		if last.Error == nil || last.Function != nil || last.Error.Hint == "" || last.Error.Message == "" {
			t.Fatalf("%s: last event %+v", name, last)
		}
		got := *last.Error
		got.Hint, got.Message = "", ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	s.fails(t, "PUT", "/v1/namespaces/default/functions/f", `{"spec":{"runtime":"cobol"},"artifact":"sha256:`+strings.Repeat("0", 64)+`"}`, 400)
}

func TestBuildOutputIsThereAlsoIfTheFirstBuildFailed(t *testing.T) {
	s := start(t)
	const build = "/v1/namespaces/default/functions/f/build"
	if e := s.fails(t, "GET", build, "", 404); e.Kind != "not-found" || e.Hint == "" {
		t.Errorf("before: %+v", e)
	}
	s.deploy(t, "default", "f", `"runtime":"python","env":{"`+nativetest.FailBuild+`":"no module named x"}`)
	s.fails(t, "GET", "/v1/namespaces/default/functions/f", "", 404)
	resp, body := s.do(t, s.request(t, "GET", build, ""))
	if resp.StatusCode != 200 || !strings.Contains(body, "  no module named x\n") || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%d %s %q", resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	s.deploy(t, "default", "f", `"runtime":"python"`)
	if body := s.must(t, "GET", build, "", 200); !strings.Contains(body, "collected 1 package") {
		t.Errorf("after a build that worked: %q", body)
	}
	s.must(t, "DELETE", "/v1/namespaces/default/functions/f", "", 204)
	s.fails(t, "GET", build, "", 404)
}

// broken is a Control whose build outputs break off.
type broken struct{ native.Control }

func (broken) BuildOutput(context.Context, fn.Ref) (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))), nil
}

func TestBuildOutputThatBreaksOffIsNotTakenForAWholeOne(t *testing.T) {
	s := httptest.NewServer(native.New(native.Config{
		Control: broken{nativetest.NewFake()},
		Identify: func(*http.Request) (auth.Identity, error) {
			return auth.Identity{Name: "admin", Grants: []auth.Grant{{Role: auth.Administrator}}}, nil
		},
		Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(s.Close)
	resp, err := s.Client().Get(s.URL + "/v1/namespaces/default/functions/f/build")
	if err != nil {
		return // broke off before the head
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%d, whole: %q", resp.StatusCode, body)
	}
}

func TestLogsFollowUntilTheClientLeaves(t *testing.T) {
	s := start(t)
	s.deploy(t, "default", "f", `"runtime":"python"`)
	ref := fn.Ref{Namespace: "default", Name: "f"}
	s.Print(ref, "call-1", "one")
	s.Print(ref, "call-2", "two")
	text := func(query string) string {
		var out []string
		for _, e := range linesOf[api.LogEvent](t, s.must(t, "GET", "/v1/namespaces/default/functions/f/logs?"+query, "", 200)) {
			out = append(out, e.Text)
		}
		return strings.Join(out, ",")
	}
	for query, want := range map[string]string{
		"": "revision 1 serves,one,two", "tail=1": "two", "call=call-1": "one", "tail=-1": "",
		"since=" + nativetest.Epoch.Format(time.RFC3339): "revision 1 serves,one,two", "since=1s": "",
	} {
		if got := text(query); got != want {
			t.Errorf("?%s: %q, want %q", query, got, want)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	resp, err := s.Client().Do(s.request(t, "GET", "/v1/namespaces/default/functions/f/logs?follow=true&tail=1", "").WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for _, want := range []string{"two", "three", "\uFFFDx"} {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		var e api.LogEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Text != want {
			t.Fatalf("line %q, want %q: %v", lines.Text(), want, err)
		}
		switch want {
		case "two":
			s.Print(ref, "", "three")
		case "three":
			s.Print(ref, "", "\xffx")
		}
	}
	cancel() // goleak sees whether the handler ends
}

func TestFollowEndsWhenTheFunctionGoes(t *testing.T) {
	s := start(t)
	s.deploy(t, "default", "f", `"runtime":"python"`)
	resp, err := s.Client().Do(s.request(t, "GET", "/v1/namespaces/default/functions/f/logs?follow=true", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s.must(t, "DELETE", "/v1/namespaces/default/functions/f", "", 204)
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
}

func TestBackupComesBack(t *testing.T) {
	s := start(t)
	s.deploy(t, "default", "f", `"runtime":"python"`)
	backup := s.must(t, "POST", "/v1/backup", "", 200)
	if e := s.fails(t, "POST", "/v1/restore", backup, 409); !strings.Contains(e.Hint, "--replace") {
		t.Errorf("hint %q", e.Hint)
	}
	s.deploy(t, "default", "g", `"runtime":"python"`)
	s.must(t, "POST", "/v1/restore?replace=true", backup, 200)
	s.must(t, "GET", "/v1/namespaces/default/functions/f", "", 200)
	s.must(t, "GET", "/v1/namespaces/default/functions/g", "", 404)
}

func TestSystemRoutes(t *testing.T) {
	s := start(t)
	for path, want := range map[string]string{
		"/healthz":     `{"status":"ok"}`,
		"/metrics":     "rouse_up 1",
		"/v1/info":     `"isolation":"full"`,
		"/v1/runtimes": `"modes":["handler","server"]`,
		"/v1/doctor":   `"fix":"use Linux 5.13 or newer"`,
		"/v1/config":   `"env":"ROUSE_LISTEN"`,
	} {
		if body := s.must(t, "GET", path, "", 200); !strings.Contains(body, want) {
			t.Errorf("%s: %s", path, body)
		}
	}
	doc := s.must(t, "GET", "/openapi.json", "", 200)
	if !json.Valid([]byte(doc)) || !bytes.Contains([]byte(doc), []byte(`"openapi": "3.1.0"`)) {
		t.Error("no OpenAPI document")
	}
}
