package e2e

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// faasCLI is OpenFaaS's own command line, run as its users run it, in a home
// and a working folder of its own.
type faasCLI struct {
	*server
	program, home, dir string
}

// needFaasCLI skips unless $FAAS_CLI names the program.
func needFaasCLI(t *testing.T) *faasCLI {
	t.Helper()
	program := os.Getenv("FAAS_CLI")
	if program == "" {
		t.Skip("set FAAS_CLI to a faas-cli built from its public source to drive the server with it")
	}
	needRoot(t)
	c := &faasCLI{server: start(t), program: program, home: t.TempDir(), dir: t.TempDir()}
	return c
}

// try runs one command and returns all it prints.
func (c *faasCLI) try(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Dir = c.dir
	cmd.Env = []string{"HOME=" + c.home, "PATH=" + os.Getenv("PATH"), "OPENFAAS_URL=" + c.url}
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	c.t.Logf("$ faas-cli %s\n%s", strings.Join(args, " "), tail(out.String(), 25))
	return out.String(), err
}

// run runs a command that has to succeed, and print what is wanted.
func (c *faasCLI) run(wants []string, stdin string, args ...string) string {
	c.t.Helper()
	out, err := c.try(stdin, args...)
	if err != nil {
		c.t.Fatalf("faas-cli %s: %v\n%s\nserver:\n%s", strings.Join(args, " "), err, out, tail(c.out.String(), 20))
	}
	for _, want := range wants {
		if !strings.Contains(out, want) {
			c.t.Errorf("faas-cli %s printed\n%s\nwithout %q", strings.Join(args, " "), out, want)
		}
	}
	return out
}

func (c *faasCLI) login() {
	c.t.Helper()
	c.run([]string{"credentials saved"}, c.password, "login", "--password-stdin")
}

func TestFaasCLIDeploysInvokesAndRemoves(t *testing.T) {
	c := needFaasCLI(t)
	if out, err := c.try("wrong", "login", "--password-stdin"); err == nil || !strings.Contains(out, "Unable to login") {
		t.Errorf("a wrong password logs in: %v %s", err, out)
	}
	c.login()
	c.run([]string{"rouse"}, "", "version", "--warn-update=false")
	c.run([]string{"Deployed. 202 Accepted.", "URL: " + c.url + "/function/echo"}, "",
		"deploy", "--name", "echo", "--image", "functions/alpine:latest", "--fprocess", "cat",
		"--env", "write_debug=true", "--label", "team=a", "--annotation", "note=b c", "--memory-limit", "64Mi", "--cpu-limit", "500m")
	c.run([]string{"is ready"}, "", "ready", "echo", "--attempts", "10")
	c.run([]string{"hello there"}, "hello there", "invoke", "echo")
	c.run([]string{"echo", "functions/alpine:latest", "cat"}, "", "list", "-v")
	c.run([]string{"echo"}, "", "list", "-q")
	c.run([]string{"Name:", "Ready", "team: a", "note: b c", "64Mi", "functions/alpine:latest"}, "", "describe", "echo", "-v")
	if n := strings.Fields(lineWith(c.run(nil, "", "list"), "echo")); len(n) < 3 || n[1] != "1" {
		t.Errorf("list counts %v, want 1 invocation", n)
	}
	c.run([]string{"Wrote", "Bytes"}, "", "logs", "echo", "--tail=false", "--lines", "20")
	c.run([]string{"202"}, "", "deploy", "--name", "echo", "--image", "functions/alpine:latest", "--fprocess", "env", "--env", "GREETING=hi")
	out := c.run([]string{"GREETING=hi", "Http_Query=a=b", "Http_X_Mine=1", "Http_Method=PUT"}, "", "invoke", "echo", "--query", "a=b", "-H", "X-Mine: 1", "-m", "PUT")
	if strings.Contains(out, c.password) {
		t.Error("a function sees the password")
	}
	c.run([]string{"Http_X_Signature=sha256="}, "body", "invoke", "echo", "--sign", "X-Signature", "--key", "s3cret")
	c.run([]string{"Removing"}, "", "remove", "echo")
	if out, err := c.try("", "invoke", "echo"); err == nil {
		t.Errorf("a removed function answers: %s", out)
	}
	if out, _ := c.try("", "describe", "echo"); !strings.Contains(strings.ToLower(out), "not found") && !strings.Contains(out, "404") && !strings.Contains(out, "No such function") {
		t.Errorf("describe of a removed function: %s", out)
	}
}

// lineWith is the first line that begins with a word.
func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, word) {
			return line
		}
	}
	return ""
}

func TestFaasCLIKeepsSecretsAndNamespaces(t *testing.T) {
	c := needFaasCLI(t)
	c.login()
	c.run([]string{"Creating secret: token", "Created"}, "", "secret", "create", "token", "--from-literal", "abc-123")
	if out, _ := c.try("", "secret", "create", "token", "--from-literal", "again"); !strings.Contains(out, "already exists") {
		t.Errorf("a secret made twice: %s", out)
	}
	c.run([]string{"token"}, "", "secret", "list")
	c.run([]string{"202"}, "", "deploy", "--name", "teller", "--image", "functions/alpine:latest", "--fprocess", "cat /var/openfaas/secrets/token", "--secret", "token")
	c.run([]string{"abc-123"}, "", "invoke", "teller")
	c.run(nil, "", "secret", "update", "token", "--from-literal", "xyz-789")
	c.run([]string{"202"}, "", "deploy", "--name", "teller", "--image", "functions/alpine:latest", "--fprocess", "cat /var/openfaas/secrets/token", "--secret", "token", "--env", "n=2")
	c.run([]string{"xyz-789"}, "", "invoke", "teller")
	if out, _ := c.try("", "deploy", "--name", "bad", "--image", "functions/alpine:latest", "--fprocess", "cat", "--secret", "nope"); !strings.Contains(out, "400") || !strings.Contains(out, "nope") {
		t.Errorf("a deploy with a secret that is not there: %s", out)
	}
	c.run(nil, "", "secret", "remove", "token")
	for name, text := range map[string]string{"one": "1\n", "two": "2"} {
		path := filepath.Join(c.dir, ".secrets", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.run(nil, "", "secret", "apply")
	c.run(nil, "", "secret", "apply") // and again
	c.run([]string{"one", "two"}, "", "secret", "list")

	c.run([]string{"openfaas-fn"}, "", "namespace", "list")
	c.run(nil, "", "namespace", "create", "staging", "--label", "tier=test")
	c.run([]string{"staging"}, "", "namespace", "list")
	c.run([]string{"tier: test"}, "", "namespace", "get", "staging")
	c.run(nil, "", "namespace", "update", "staging", "--label", "tier=other")
	c.run([]string{"tier: other"}, "", "namespace", "get", "staging")
	c.run([]string{"/function/f.staging"}, "", "deploy", "-n", "staging", "--name", "f", "--image", "functions/alpine:latest", "--fprocess", "wc -c")
	c.run([]string{"5"}, "12345", "invoke", "-n", "staging", "f")
	if out := c.run(nil, "", "list"); strings.Contains(out, "f ") && lineWith(out, "f ") != "" {
		t.Errorf("a function of another namespace is listed: %s", out)
	}
	c.run([]string{"f"}, "", "list", "-n", "staging")
	c.run(nil, "", "remove", "-n", "staging", "f")
	c.run(nil, "", "namespace", "remove", "staging")
}

func TestFaasCLIUsesStackFilesStoreAndQueues(t *testing.T) {
	c := needFaasCLI(t)
	c.login()
	store := c.url + "/store.json"
	out := c.run([]string{"FUNCTION"}, "", "store", "list", "-u", store)
	if n := strings.Count(strings.TrimSpace(out), "\n"); n < 12 {
		t.Errorf("the store lists %d lines: %s", n, out)
	}
	c.run([]string{"shasum"}, "", "store", "describe", "-u", store, "shasum")
	c.run([]string{"202"}, "", "store", "deploy", "-u", store, "shasum")
	c.run([]string{"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}, "hello", "invoke", "shasum")

	var got atomic.Pointer[http.Header]
	callback := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header.Clone()
		got.Store(&h)
	}))
	defer callback.Close()
	c.run([]string{"submitted"}, "hello", "invoke", "shasum", "--async", "-H", "X-Callback-Url: "+callback.URL+"/done")
	c.waitFor("the callback", 20*time.Second, func() bool { return got.Load() != nil })
	if h := *got.Load(); h.Get("X-Function-Name") == "" || h.Get("X-Function-Status") != "200" || h.Get("X-Call-Id") == "" {
		t.Errorf("the callback's fields: %v", h)
	}

	stack := `version: 1.0
provider:
  name: openfaas
  gateway: ` + c.url + `
functions:
  upper:
    image: functions/alpine:latest
    skip_build: true
    fprocess: tr a-z A-Z
    environment:
      one: "1"
    labels:
      com.openfaas.scale.min: "1"
      com.openfaas.scale.max: "4"
      com.openfaas.scale.type: rps
      com.openfaas.scale.target: "5"
    annotations:
      topic: payments
    limits:
      memory: 32Mi
      cpu: 250m
    requests:
      memory: 16Mi
`
	if err := os.WriteFile(filepath.Join(c.dir, "stack.yaml"), []byte(stack), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run([]string{"202"}, "", "deploy", "-f", "stack.yaml")
	c.run([]string{"HELLO"}, "hello", "invoke", "upper")
	// The one difference is the label that every provider sets.
	out, _ = c.try("", "diff", "-f", "stack.yaml")
	for line := range strings.Lines(out) {
		if side := strings.TrimSpace(line[strings.Index(line, "|")+1:]); (strings.HasPrefix(side, "+ ") || strings.HasPrefix(side, "- ")) &&
			!strings.HasPrefix(side, "+ label.faas_function:") {
			t.Errorf("a diff right after a deploy: %s", out)
		}
	}

	// Scaled by its traffic: 5 calls a second for each instance.
	replicas := func() string {
		fields := strings.Fields(lineWith(c.run(nil, "", "list"), "upper"))
		return fields[len(fields)-1]
	}
	deadline := time.Now().Add(60 * time.Second)
	for replicas() == "1" {
		if time.Now().After(deadline) {
			t.Fatal("60 s of calls have not made a second replica")
		}
		for range 200 {
			res, err := http.Post(c.url+"/function/upper", "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		}
	}
	c.run([]string{"upper"}, "", "remove", "-f", "stack.yaml")
	c.run([]string{"shasum"}, "", "remove", "shasum")
}

func TestFaasCLIPublishesThroughTheBuilder(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "payload-secret")
	if err := os.WriteFile(secret, []byte("a secret of more than sixteen bytes"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ROUSE_OPENFAAS_BUILDER_SECRET", secret)
	c := needFaasCLI(t)
	c.login()
	if err := os.CopyFS(c.dir, os.DirFS("../../examples/openfaas")); err != nil {
		t.Fatal(err)
	}
	// faas-cli wants a folder for every language, or asks the Internet.
	if err := os.MkdirAll(filepath.Join(c.dir, "template", "dockerfile"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "template", "dockerfile", "template.yml"), []byte("language: dockerfile\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The program of sum is what a build argument says.
	dockerfile := filepath.Join(c.dir, "sum", "Dockerfile")
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`ENV fprocess="python3 sum.py"`), []byte("ARG PROGRAM=none.py\nENV fprocess=\"python3 $PROGRAM\""), 1)
	if err := os.WriteFile(dockerfile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	publish := []string{"publish", "-f", "stack.yaml", "--disable-stack-pull", "--build-arg", "PROGRAM=sum.py", "--remote-builder", c.url + "/build", "--platforms", "linux/amd64"}
	wrong := filepath.Join(c.home, "wrong")
	if err := os.WriteFile(wrong, []byte("another secret of sixteen bytes or more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := c.try("", append(publish, "--payload-secret", wrong)...); err == nil {
		t.Errorf("a build with a wrong signature: %s", out)
	}
	c.run([]string{"hello"}, "", append(publish, "--payload-secret", secret)...)
	c.run([]string{"202"}, "", "deploy", "-f", "stack.yaml", "-g", c.url)
	c.run([]string{"hello"}, "", "invoke", "hello", "-g", c.url)
	c.run([]string{"3.5"}, "1\n2.5\n", "invoke", "sum", "-g", c.url)
	c.run(nil, "", "remove", "-f", "stack.yaml", "-g", c.url)
}
