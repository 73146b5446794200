package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rouse.dev/rouse/api"
)

// TestMisbehavingFunctionsHarmNobody has a function do everything wrong while
// a neighbour is called all the time.
func TestMisbehavingFunctionsHarmNobody(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", s.hello(""))
	s.must("deploy", s.bad("limits: {memory: 64Mi, pids: 64, tmp: 16Mi, timeout: 20s}\nscale: {max: 2}\n"))
	stopNeighbour := s.neighbour()
	for _, c := range []struct {
		path, kind, cause string
		status            int
	}{
		{"exit", "failed", "exited", 502},
		{"oom", "failed", "oom", 502},
		{"half", "", "", 0}, // the head is sent: the body must break off
		{"headers", "failed", "", 502},
	} {
		t.Run(c.path, func(t *testing.T) { s.wantFailure(t, c.path, c.status, c.kind, c.cause) })
	}
	t.Run("forks", func(t *testing.T) {
		status, body, _ := s.call("bad/forks", "")
		if status == 200 && len(strings.TrimSpace(body)) > 2 {
			t.Errorf("a function with limits.pids=64 made %s processes", body)
		}
	})
	t.Run("tmp", func(t *testing.T) {
		if status, body, _ := s.call("bad/tmp", ""); status != 200 || !strings.Contains(body, "no space left") {
			t.Errorf("filling /tmp: %d %q", status, body)
		}
	})
	t.Run("garbage", func(t *testing.T) {
		s.call("bad/garbage", "")
		for line := range strings.SplitSeq(s.must("logs", "bad", "--tail", "20", "-o", "json"), "\n") {
			if line != "" && !json.Valid([]byte(line)) {
				t.Errorf("a log line is not JSON: %.100q", line)
			}
		}
	})
	t.Run("logs", func(t *testing.T) {
		s.call("bad/logs", "") // 1 GB; the deadline may cut it short
		if n := s.folderSize("logs"); n > 64<<20 {
			t.Errorf("1 GB printed left %d MiB of logs on disk", n>>20)
		}
	})
	t.Run("hang", func(t *testing.T) {
		s.must("deploy", s.bad("limits: {timeout: 1s}\n"))
		s.wantFailure(t, "hang", 504, "timeout", "")
	})
	calls, failed, worst := stopNeighbour()
	t.Logf("the neighbour: %d calls, %d failed, slowest %v", calls, failed, worst)
	if failed > 0 || calls < 20 {
		t.Errorf("the neighbour: %d of %d calls failed", failed, calls)
	}
	if status, body, _ := s.call("bad/ok", ""); status != 200 {
		t.Errorf("afterwards: %d %s", status, body)
	}
}

// neighbour calls hello until the returned function is called.
func (s *server) neighbour() func() (calls, failed int64, worst time.Duration) {
	var n, bad, slowest atomic.Int64
	ctx, cancel := context.WithCancel(s.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		pace := time.NewTicker(20 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-pace.C:
			}
			began := time.Now()
			if status, _, _, err := s.tryCall(http.DefaultClient, "hello", ""); err != nil || status != 200 {
				bad.Add(1)
			}
			n.Add(1)
			slowest.Store(max(slowest.Load(), int64(time.Since(began))))
		}
	})
	return func() (int64, int64, time.Duration) {
		cancel()
		wg.Wait()
		return n.Load(), bad.Load(), time.Duration(slowest.Load())
	}
}

// wantFailure calls a path of the bad function and checks how its failure is
// told. Status 0 wants a response that breaks off.
func (s *server) wantFailure(t *testing.T, path string, status int, kind, cause string) {
	t.Helper()
	res, err := http.Post(s.url+"/function/bad/"+path, "text/plain", nil)
	if status == 0 {
		if err != nil {
			return
		}
		defer res.Body.Close()
		if _, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("%s: half an answer was passed on as a whole one", path)
		}
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer res.Body.Close()
	var body struct {
		Error api.Error `json:"error"`
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatalf("%s: the error is not JSON: %v", path, err)
	}
	e := body.Error
	if res.StatusCode != status || string(e.Kind) != kind || cause != "" && e.Cause != cause || e.Message == "" {
		t.Errorf("%s: status %d, %+v; want %d %s %s", path, res.StatusCode, e, status, kind, cause)
	}
	if res.Header.Get("X-Call-Id") == "" || res.Header.Get("X-Rouse-Cause") != e.Cause || res.Header.Get("X-Rouse-Phase") == "" {
		t.Errorf("%s: headers %v do not explain the failure", path, res.Header)
	}
	if path == "exit" && !strings.Contains(strings.Join(e.Output, "\n"), "I have had enough") {
		t.Errorf("exit: the last words are missing from %q", e.Output)
	}
}

func TestOutputOfABuildCanBeReadAfterwards(t *testing.T) {
	needRoot(t)
	s := start(t)
	files := map[string]string{
		"rouse.yaml": "name: hello\nruntime: go\n", "go.mod": "module odd\n\ngo 1.26\n", "handler.go": "package function\n\nfunc Handle( {\n",
	}
	for range 2 { // the second is of a function that is there
		_, err := s.rouse("deploy", s.write(files))
		if err == nil || !strings.Contains(err.Error(), "rouse logs hello --build") {
			t.Fatalf("the error of a build that fails does not say where its output is: %v", err)
		}
		if out := s.must("logs", "hello", "--build"); !strings.Contains(out, "handler.go:3") || !strings.Contains(out, "failed after") {
			t.Errorf("the build printed %q", out)
		}
		s.must("deploy", s.hello(""))
		if out := s.must("logs", "hello", "--build"); strings.Contains(out, "handler.go:3") || !strings.Contains(out, "made sha256:") {
			t.Errorf("the build that worked printed %q", out)
		}
	}
	s.must("rm", "hello")
	if out, err := s.rouse("logs", "hello", "--build"); err == nil {
		t.Errorf("the function is gone, the output of its build is not: %q", out)
	}
}

func TestDeploysThatCannotWorkChangeNothing(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", s.hello(""))
	good := s.function("hello").Latest
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string // all of these must be said
	}{
		{"bad name and bad limits, at once", map[string]string{
			"rouse.yaml": "name: Hello_World\nruntime: go\nlimits: {memory: 0, cpu: -1}\n", "handler.go": "package function\n",
		}, []string{"name", "memory", "cpu"}},
		{"negative memory", map[string]string{
			"rouse.yaml": "name: hello\nruntime: go\nlimits: {memory: -1}\n", "handler.go": "package function\n",
		}, []string{"memory"}},
		{"unknown field", map[string]string{"rouse.yaml": "name: hello\nruntime: go\nmemroy: 64Mi\n"}, []string{"memroy", "line 3"}},
		{"unknown runtime", map[string]string{"rouse.yaml": "name: hello\nruntime: cobol\n", "x": ""}, []string{"cobol"}},
		{"missing handler", map[string]string{"rouse.yaml": "name: hello\nruntime: python\n", "x": ""}, []string{"handler.py"}},
		{"failing build", map[string]string{
			"rouse.yaml": "name: hello\nruntime: go\n", "go.mod": "module hello\n\ngo 1.26\n", "handler.go": "package function\n\nfunc Handle( {\n",
		}, []string{"handler.go", "syntax error"}},
		{"port that never opens", map[string]string{
			"rouse.yaml": "name: hello\nruntime: exec\nmode: server\ncommand: [./run]\nlimits: {start: 1s}\n",
			"run":        "#!/usr/bin/env bash\necho waiting for nothing\nexec sleep 60\n",
		}, []string{"$PORT", "waiting for nothing"}},
		{"program that exits", map[string]string{
			"rouse.yaml": "name: hello\nruntime: exec\nmode: server\ncommand: [./run]\n", "run": "#!/usr/bin/env bash\necho no thanks >&2\nexit 7\n",
		}, []string{"exit status 7", "no thanks"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.rouse("deploy", s.write(c.files))
			if err == nil {
				t.Fatal("the deploy succeeded")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
			if f := s.function("hello"); f.Latest != good {
				t.Errorf("the function has changed: revision %d, was %d", f.Latest, good)
			}
			if status, body, _ := s.call("hello", ""); status != 200 || body != "hello\n" {
				t.Errorf("the old revision answers %d %q", status, body)
			}
		})
	}
	var list api.FunctionList
	if _, err := s.api("GET", "/v1/functions", nil, &list); err != nil || len(list.Functions) != 1 {
		t.Errorf("after all those there are %d functions, want 1 (%v)", len(list.Functions), err)
	}
}
