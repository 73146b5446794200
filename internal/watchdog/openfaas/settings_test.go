package openfaas

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

func TestDefaultsAreThoseOfTheContracts(t *testing.T) {
	of, err := readSettings(OfWatchdog, []string{"fprocess=cat"})
	if err != nil {
		t.Fatal(err)
	}
	classic, err := readSettings(Classic, []string{"fprocess=cat"})
	if err != nil {
		t.Fatal(err)
	}
	want := settings{
		contract: OfWatchdog, mode: modeStreaming, program: of.program, argv: []string{"cat"},
		port: 8080, metricsPort: 8081, readTimeout: 30 * time.Second, writeTimeout: 30 * time.Second, execTimeout: 30 * time.Second,
		drainWait: 30 * time.Second, contentType: "application/octet-stream", prefixLogs: true, logRequests: true,
		maxLine: 65536, staticPath: "/home/app/public", lock: "/tmp/.lock", cgi: true,
	}
	if diff := cmp.Diff(&want, of, cmp.AllowUnexported(settings{})); diff != "" {
		t.Error(diff)
	}
	want.contract, want.mode, want.execTimeout, want.contentType, want.staticPath, want.both = Classic, "", 0, "", "", true
	if diff := cmp.Diff(&want, classic, cmp.AllowUnexported(settings{})); diff != "" {
		t.Error(diff)
	}
}

func TestVariablesAreReadAsTheContractsSay(t *testing.T) {
	for _, c := range []struct {
		contract Contract
		vars     string // separated by ;
		got      func(*settings) any
		want     any
	}{
		{OfWatchdog, "read_timeout=5", func(s *settings) any { return s.readTimeout }, 5 * time.Second},
		{OfWatchdog, "read_timeout=0", func(s *settings) any { return s.readTimeout }, time.Duration(0)},
		{OfWatchdog, "read_timeout=250ms", func(s *settings) any { return s.readTimeout }, 250 * time.Millisecond},
		{OfWatchdog, "read_timeout=1h30m", func(s *settings) any { return s.readTimeout }, 90 * time.Minute},
		{OfWatchdog, "read_timeout=soon", func(s *settings) any { return s.readTimeout }, 30 * time.Second},
		{OfWatchdog, "read_timeout=-5", func(s *settings) any { return s.readTimeout }, 30 * time.Second},
		{OfWatchdog, "read_timeout=-5s", func(s *settings) any { return s.readTimeout }, 30 * time.Second},
		{OfWatchdog, "read_timeout=99999999999999999999", func(s *settings) any { return s.readTimeout }, 30 * time.Second},
		{OfWatchdog, "write_timeout=7", func(s *settings) any { return s.drainWait }, 7 * time.Second},
		{OfWatchdog, "write_timeout=7;healthcheck_interval=1s", func(s *settings) any { return s.drainWait }, time.Second},
		{OfWatchdog, "exec_timeout=0", func(s *settings) any { return s.execTimeout }, time.Duration(0)},
		{Classic, "exec_timeout=2", func(s *settings) any { return s.execTimeout }, 2 * time.Second},
		{OfWatchdog, "port=9000", func(s *settings) any { return s.port }, 9000},
		{OfWatchdog, "port=x", func(s *settings) any { return s.port }, 8080},
		{OfWatchdog, "port=70000", func(s *settings) any { return s.port }, 8080},
		{OfWatchdog, "max_inflight=-3", func(s *settings) any { return s.maxInflight }, 0},
		{Classic, "max_inflight=3", func(s *settings) any { return s.maxInflight }, 3},
		{OfWatchdog, "function_process=true", func(s *settings) any { return s.argv[0] }, "true"},
		{Classic, "function_process=true", func(s *settings) any { return s.argv[0] }, "cat"},
		{OfWatchdog, "fprocess=cat  -u 'x y'", func(s *settings) any { return strings.Join(s.argv, "|") }, "cat||-u|'x|y'"},
		{OfWatchdog, "mode=http;upstream_url=http://a:1", func(s *settings) any { return s.upstream.Host }, "a:1"},
		{OfWatchdog, "mode=http;upstream_url=http://a:1;http_upstream_url=http://b:2", func(s *settings) any { return s.upstream.Host }, "b:2"},
		{OfWatchdog, "http_buffer_req_body=true", func(s *settings) any { return s.bufferBody }, true},
		{OfWatchdog, "buffer_http=true", func(s *settings) any { return s.bufferBody }, true},
		{OfWatchdog, "buffer_http=yes", func(s *settings) any { return s.bufferBody }, false},
		{OfWatchdog, "prefix_logs=false", func(s *settings) any { return s.prefixLogs }, false},
		{OfWatchdog, "log_buffer_size=100", func(s *settings) any { return s.maxLine }, 100},
		{OfWatchdog, "log_buffer_size=-1", func(s *settings) any { return s.maxLine }, unlimitedLine},
		{OfWatchdog, "log_buffer_size=lots", func(s *settings) any { return s.maxLine }, 65536},
		{OfWatchdog, "log_callid=true", func(s *settings) any { return s.logCallID }, true},
		{OfWatchdog, "log_call_id=true", func(s *settings) any { return s.logCallID }, true},
		{OfWatchdog, "ready_path=up?x=1", func(s *settings) any { return s.ready.RequestURI() }, "/up?x=1"},
		{OfWatchdog, "suppress_lock=true", func(s *settings) any { return s.lock }, ""},
		{Classic, "TMPDIR=/var/x", func(s *settings) any { return s.lock }, "/var/x/.lock"},
		{OfWatchdog, "mode=static;fprocess=", func(s *settings) any { return s.program }, ""},
		{OfWatchdog, "log_requests=false", func(s *settings) any { return s.logRequests }, false},
		{Classic, "cgi_headers=false", func(s *settings) any { return s.cgi }, false},
		{Classic, "combine_output=false", func(s *settings) any { return s.both }, false},
		{Classic, "write_debug=true", func(s *settings) any { return s.writeDebug }, true},
		{Classic, "marshal_request=true", func(s *settings) any { return s.marshal }, true},
		{Classic, "debug_headers=true", func(s *settings) any { return s.debugHeads }, true},
	} {
		s, err := readSettings(c.contract, append([]string{"fprocess=cat"}, strings.Split(c.vars, ";")...))
		if err != nil {
			t.Errorf("%s: %v", c.vars, err)
		} else if got := c.got(s); got != c.want {
			t.Errorf("%s: got %v, want %v", c.vars, got, c.want)
		}
	}
}

func TestMistakesAreToldAllAtOnce(t *testing.T) {
	for vars, want := range map[string][]string{
		"":                                       {"fprocess"},
		"fprocess=/no/such/program":              {"fprocess"},
		"mode=http;write_timeout=0":              {"write_timeout", "upstream_url", "fprocess"},
		"fprocess=cat;mode=http;upstream_url=:x": {"upstream_url"},
		"fprocess=cat;mode=http;upstream_url=a:1": {"upstream_url"},
		"fprocess=cat;jwt_auth=true":              {"jwt_auth"},
		"fprocess=cat;mode=inproc":                {"mode"},
		"fprocess=cat;mode=afterburn":             {"mode"},
		"fprocess=cat;mode=warp":                  {"mode"},
		"fprocess=cat;ready_path=/%zz":            {"ready_path"},
	} {
		_, err := readSettings(OfWatchdog, strings.Split(vars, ";"))
		var got []string
		for _, m := range fn.MistakesOf(err) {
			got = append(got, m.Field)
		}
		if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, fn.Invalid) {
			t.Errorf("%q: %v\n%s", vars, err, diff)
		}
	}
	if _, err := readSettings(Classic, []string{"fprocess=cat", "jwt_auth=true"}); !errors.Is(err, fn.Invalid) {
		t.Errorf("classic with jwt_auth: %v", err)
	}
}

func TestSizesAreShort(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 12: "12B", 100: "100B", 999: "999B", 1000: "1kB", 1536: "1.536kB", 16777216: "16.78MB", 5e18: "5EB"} {
		if got := humanSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
