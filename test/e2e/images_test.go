package e2e

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/bundles"
)

// ask sends a request to a function: a GET if there is no body.
func (s *server) ask(name, path, body string) (int, string, http.Header) {
	s.t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/function/"+name+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

// TestFunctionsOfTheStoreAnswer deploys every one of them by the reference in
// the list of the store, and makes the calls of their examples.
func TestFunctionsOfTheStoreAnswer(t *testing.T) {
	needRoot(t)
	set, err := bundles.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := start(t)
	for _, f := range set.Store() {
		t.Run(f.Name, func(t *testing.T) {
			if out, err := s.rouse("store", "deploy", f.Name); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, e := range f.Examples {
				status, text, _ := s.ask(f.Name, e.Path, e.Body)
				if !regexp.MustCompile(e.Answer).MatchString(text) || status >= 500 {
					t.Errorf("%s with %.40q: %d %q does not fit %q", e.Path, e.Body, status, text, e.Answer)
				}
			}
			s.must("remove", f.Name)
		})
	}
}

// TestUserlandRunsTheProgramOfItsVariable is what a deploy of functions/alpine
// is used for.
func TestUserlandRunsTheProgramOfItsVariable(t *testing.T) {
	needRoot(t)
	s := start(t)
	for _, c := range []struct{ image, process, in, want string }{
		{"functions/alpine:latest", "", "as it is", "as it is"},
		{"ghcr.io/openfaas/alpine:3.20", "wc -w", "one two three", "3\n"},
		{"docker.io/functions/alpine", "tr a-z A-Z", "loud", "LOUD"},
		{"functions/alpine:latest", "sha512sum", "", "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e  -\n"},
	} {
		args := []string{"deploy", "--image", c.image, "--name", "land"}
		if c.process != "" {
			args = append(args, "-e", "fprocess="+c.process)
		}
		s.must(args...)
		status, text, h := s.ask("land", "/", c.in)
		if status != http.StatusOK || text != c.want || h.Get("X-Duration-Seconds") == "" {
			t.Errorf("%s %s: %d %q, want %q (%v)", c.image, c.process, status, text, c.want, h)
		}
	}
}

// TestBuildContextsRunWithoutAContainer aliases folders laid out like those
// faas-cli makes of its templates, and calls what is deployed by reference.
func TestBuildContextsRunWithoutAContainer(t *testing.T) {
	needRoot(t)
	s := start(t)
	for name, c := range contexts(t) {
		t.Run(name, func(t *testing.T) {
			image := "ghcr.io/me/" + name + ":0.1"
			if out, err := s.rouse("image", "alias", image, s.write(c.files)); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if out, err := s.rouse("deploy", "--image", image, "--name", name, "-e", "greeting=hi"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, call := range c.calls {
				status, text, h := s.ask(name, call.path, call.body)
				if status != call.status || text != call.want {
					t.Errorf("%s with %q: %d %q, want %d %q", call.path, call.body, status, text, call.status, call.want)
				}
				if kind := h.Get("Content-Type"); call.kind != "" && kind != call.kind {
					t.Errorf("%s: Content-Type %q, want %q", call.path, kind, call.kind)
				}
			}
		})
	}
}
