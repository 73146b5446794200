package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const stackFile = "testdata/stack/stack.yaml"

// TestStackFileOfTemplates deploys functions made from templates in the
// official layout, one for each way a watchdog runs a program.
func TestStackFileOfTemplates(t *testing.T) {
	needRoot(t)
	for _, program := range []string{"python3", "node", "bash"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s: %v", program, err)
		}
	}
	s := start(t)
	if status, err := s.api("POST", "/v1/namespaces/default/secrets", map[string]any{"name": "password", "value": []byte("sesame")}, nil); err != nil || status != http.StatusNoContent {
		t.Fatalf("making a secret: %d, %v", status, err)
	}
	out := s.must("deploy", "-f", stackFile, "--parallel", "4")
	for _, name := range []string{"hello", "count", "upper", "box"} {
		if !strings.Contains(out, name+" revision 1 is ") {
			t.Errorf("%s is not among what was deployed:\n%s", name, out)
		}
	}
	for _, row := range []struct {
		call, body, want string
		status           int
	}{
		{"hello/a/path?q=1", " world\n", "hello world.", 200},
		{"hello/teapot", "", "short and stout", 418},
		{"count?secret=yes", "", `{"secret":"sesame"}`, 200},
		{"count?by=me", "one two  three", `{"words":3,"by":"me"}`, 200},
		{"count", "fail", "Error: told to", 500},
		{"upper", "loud\n", "POST LOUD\n", 200},
		{"box", "abc\n", "cba!\n", 200},
	} {
		status, body, header := s.call(row.call, row.body)
		if status != row.status || body != row.want {
			t.Errorf("%s answered %d %q, want %d %q\n%s", row.call, status, body, row.status, row.want, s.must("logs", strings.FieldsFunc(row.call, func(r rune) bool { return r == '/' || r == '?' })[0]))
		}
		if strings.HasPrefix(row.call, "hello/a") && header.Get("X-Path") != "/a/path?q=1" {
			t.Errorf("the function saw the path %q", header.Get("X-Path"))
		}
	}
	f := s.function("hello")
	if f.Spec.Limits.Memory != "96Mi" || f.Spec.Scale.Max != 3 || f.Spec.Image != "example/hello:1.0" || f.Annotations["topic"] != "greetings" {
		t.Errorf("settings: %+v, annotations %v", f.Spec, f.Annotations)
	}
}

// TestStackFunctionIsWhatFaasCLIWouldHaveMade looks at a function through
// OpenFaaS's API: all of the stack file comes back as it is written there.
func TestStackFunctionIsWhatFaasCLIWouldHaveMade(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", "-f", stackFile, "hello")
	var got map[string]any
	if status, err := s.api("GET", "/system/function/hello", nil, &got); err != nil || status != http.StatusOK {
		t.Fatalf("describing hello: %d, %v", status, err)
	}
	want := map[string]any{
		"name": "hello", "namespace": "openfaas-fn", "image": "example/hello:1.0", "envProcess": "python3 index.py",
		"envVars":     map[string]any{"GREETING": "hello", "PUNCTUATION": "."},
		"labels":      map[string]any{"com.openfaas.scale.max": "3", "com.openfaas.scale.zero": "true", "faas_function": "hello"},
		"annotations": map[string]any{"topic": "greetings"},
		"limits":      map[string]any{"memory": "96Mi"},
	}
	for key, value := range want {
		if diff := cmp.Diff(value, got[key]); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
	// What faas-cli sends for the same file deploys the same.
	request := map[string]any{"service": "hello"}
	for _, key := range []string{"image", "envProcess", "envVars", "labels", "annotations", "limits"} {
		request[key] = want[key]
	}
	if status, err := s.api("PUT", "/system/functions", request, nil); err != nil || status != http.StatusAccepted {
		t.Fatalf("deploying as faas-cli does: %d, %v", status, err)
	}
	if _, body, _ := s.call("hello", "you"); body != "hello you." {
		t.Errorf("deployed as faas-cli does: %q", body)
	}
	if f := s.function("hello"); f.Latest != 1 {
		t.Errorf("the same deployment is revision %d, not the one there was", f.Latest)
	}
}

// TestStackFileChangesAndImages deploys again with other values, then by the
// image that the first deploy named.
func TestStackFileChangesAndImages(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", "-f", stackFile, "hello")
	s.must("deploy", "-f", stackFile, "--filter", "hel*", "-e", "GREETING=good day", "--label", "com.openfaas.scale.max=2")
	if _, body, _ := s.call("hello", "sir"); body != "good day sir." {
		t.Errorf("after a change: %q", body)
	}
	if f := s.function("hello"); f.Spec.Scale.Max != 2 || f.Latest != 2 {
		t.Errorf("latest %d, at most %d instances", f.Latest, f.Spec.Scale.Max)
	}
	other := s.write(map[string]string{"stack.yaml": `provider: {name: openfaas}
functions:
  twin: {image: "example/hello:1.0", skip_build: true, environment: {GREETING: bye, PUNCTUATION: "?"}}
`})
	s.must("deploy", "-f", filepath.Join(other, "stack.yaml"))
	if status, body, _ := s.call("twin", "you"); body != "bye you?" {
		t.Errorf("by image: %d %q", status, body)
	}
	if out, err := s.rouse("deploy", "-f", stackFile, "box", "--build-arg", "SUFFIX=?!"); err != nil {
		t.Fatal(err, out)
	}
	if _, body, _ := s.call("box", "ab\n"); body != "ba?!\n" {
		t.Errorf("with another build argument: %q", body)
	}
	if _, err := os.Stat("testdata/stack/build"); err == nil {
		t.Error("the project was written to")
	}
}

// TestStackFunctionFromNothing goes the way of somebody new: a template from a
// repository, a function of it, the function there.
func TestStackFunctionFromNothing(t *testing.T) {
	needRoot(t)
	s := start(t)
	templates, err := filepath.Abs("testdata/stack")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "ROUSE_URL="+s.url, "ROUSE_DATA="+s.data)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("rouse %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run("new", "first", "--template", "python3-plain", "--template-url", templates)
	run("deploy", "--label", "com.openfaas.scale.zero=true")
	if status, body, _ := s.call("first", ""); status != http.StatusOK || body != "to begin with" {
		t.Errorf("%d %q", status, body)
	}
}

func TestExampleStackFile(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", "-f", "../../examples/openfaas/stack.yaml")
	if status, body, _ := s.call("hello", "world"); status != http.StatusOK || body != "hello, world\n" {
		t.Errorf("hello: %d %q", status, body)
	}
	if status, body, _ := s.call("sum", "1\n2.5\n3\n"); status != http.StatusOK || body != "6.5\n" {
		t.Errorf("sum: %d %q", status, body)
	}
}
