package openfaas

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// forkCase is one request to a program that runs for it alone.
type forkCase struct {
	name     string
	contract string // "of" or "classic"
	vars     string // separated by ;
	program  string // of the shell
	method   string // POST if ""
	path     string // "/" if ""
	body     string
	headers  []string

	status int               // 200 if 0
	want   string            // the whole body
	parts  []string          // or parts of it
	header map[string]string // "" means absent; "*" any
	logs   []string          // regular expressions, each for a line on standard error
	prints []string          // the same on standard output
	silent []string          // what must be on neither
}

const date = `^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d `

func forkCases() []forkCase {
	id := "0190a2b4-1111-7222-8333-444455556666"
	return []forkCase{
		{name: "streaming", contract: "of", program: "cat; echo done", body: "in ", want: "in done\n",
			header: map[string]string{"Content-Type": "application/octet-stream", "X-Duration-Seconds": "*", internalHeader: ""},
			logs:   []string{date + `POST / - 200 - ContentLength: 8B \(\d+\.\d{4}s\)$`}},
		{name: "streaming is 200 although the program fails", contract: "of", program: "echo begun; exit 3", want: "begun\n",
			logs: []string{date + "exit status 3$", date + "POST / - 500 - ContentLength: 6B "}},
		{name: "streaming is 200 although it printed nothing", contract: "of", program: "exit 1", want: "", header: map[string]string{"X-Duration-Seconds": "*"}},
		{name: "streaming tells a crash", contract: "of", program: "kill -SEGV $$", status: 500, want: "signal: segmentation fault\n",
			header: map[string]string{internalHeader: "of-watchdog"}},
		{name: "streaming at exec_timeout", contract: "of", vars: "exec_timeout=100ms", program: "sleep 100", status: 504,
			want: "exec_timeout passed\n", header: map[string]string{internalHeader: "of-watchdog", "X-Duration-Seconds": "*"}},
		{name: "X-Timeout is heard", contract: "of", program: "sleep 100", headers: []string{"X-Timeout: 100ms"}, status: 504, want: "exec_timeout passed\n"},
		{name: "X-Timeout is heard without exec_timeout", contract: "of", vars: "exec_timeout=0", program: "sleep 100",
			headers: []string{"X-Timeout: 100ms"}, status: 504, want: "exec_timeout passed\n"},
		{name: "X-Timeout cannot lengthen", contract: "of", vars: "exec_timeout=100ms", program: "sleep 100",
			headers: []string{"X-Timeout: 1h"}, status: 504, want: "exec_timeout passed\n"},
		{name: "X-Timeout that is none", contract: "of", program: "echo ok", headers: []string{"X-Timeout: -1s"}, want: "ok\n"},
		{name: "content_type", contract: "of", vars: "content_type=text/csv", program: "echo a,b", want: "a,b\n", header: map[string]string{"Content-Type": "text/csv"}},
		{name: "HEAD", contract: "of", program: "echo ok", method: "HEAD", logs: []string{date + "HEAD / - 200 - "}},
		{name: "serializing", contract: "of", vars: "mode=serializing", program: "cat", body: "hello", want: "hello",
			header: map[string]string{"Content-Length": "5", "X-Duration-Seconds": "*", "Content-Type": "application/octet-stream"},
			logs:   []string{date + "POST / - 200 - ContentLength: 5B "}},
		{name: "serializing fails with the reason", contract: "of", vars: "mode=serializing", program: "echo half; exit 7", status: 500, want: "exit status 7\n",
			header: map[string]string{internalHeader: "of-watchdog"}, logs: []string{"POST / - 500 - "}},
		{name: "serializing at exec_timeout", contract: "of", vars: "mode=serializing;exec_timeout=100ms", program: "sleep 100", status: 504, want: "exec_timeout passed\n"},
		{name: "standard error", contract: "of", program: "echo oops >&2; echo ok", want: "ok\n", logs: []string{date + "stderr: oops$"}},
		{name: "prefix_logs=false", contract: "of", vars: "prefix_logs=false", program: "echo oops >&2; echo ok", want: "ok\n", logs: []string{"^oops$"}},
		{name: "log_buffer_size", contract: "of", vars: "log_buffer_size=4;prefix_logs=false", program: "echo abcdefghij >&2", logs: []string{"^abcd$", "^efgh$", "^ij$"}},
		{name: "log_buffer_size=-1", contract: "of", vars: "log_buffer_size=-1;prefix_logs=false",
			program: "head -c 100000 /dev/zero | tr '\\0' x >&2", logs: []string{"^" + strings.Repeat("x", 100_000) + "$"}},
		{name: "log_callid", contract: "of", vars: "log_callid=true", program: "echo", headers: []string{"X-Call-Id: abc"}, want: "\n", logs: []string{`s\) \[abc\]$`}},
		{name: "log_call_id without one", contract: "of", vars: "log_call_id=true", program: "echo", want: "\n", logs: []string{`s\) \[none\]$`}},
		{name: "probes are not logged", contract: "of", program: "echo", headers: []string{"User-Agent: kube-probe/1.30"}, want: "\n", silent: []string{" - ContentLength: "}},
		{name: "log_requests=false", contract: "of", vars: "log_requests=false", program: "echo", want: "\n", silent: []string{" - ContentLength: "}},
		{name: "environment", contract: "of", program: "env", method: "PUT", path: "/a%20b/%2F?x=1&y", body: "123",
			headers: []string{"Content-Type: text/x", "X-Many: first", "X-Many: second", "X-Call-Id: " + id},
			parts: []string{"\nGREETING=hi\n", "\nHttp_Method=PUT\n", "\nHttp_Path=/a b//\n", "\nHttp_Query=x=1&y\n", "\nHttp_Content_Type=text/x\n",
				"\nHttp_X_Many=first\n", "\nHttp_X_Call_Id=" + id + "\n", "\nHttp_Content_Length=3\n"}},
		{name: "a path with NUL", contract: "of", program: "echo path=$Http_Path query=$Http_Query", path: "/a%00b?q", want: "path= query=q\n"},
		{name: "standard error of a call is tagged for the platform", contract: "of", program: "echo oops >&2", headers: []string{"X-Call-Id: " + id}, logs: []string{"^" + id + ` \d{4}/.* stderr: oops$`}},

		{name: "classic", contract: "classic", program: "cat", body: "hello", want: "hello", header: map[string]string{"X-Duration-Seconds": "*"},
			logs: []string{date + "Forking fprocess", date + "Wrote 5 Bytes"}},
		{name: "classic: the caller's type", contract: "classic", program: "cat", body: "{}", headers: []string{"Content-Type: application/json"}, want: "{}",
			header: map[string]string{"Content-Type": "application/json"}},
		{name: "classic: content_type", contract: "classic", vars: "content_type=text/csv", program: "cat", headers: []string{"Content-Type: application/json"},
			header: map[string]string{"Content-Type": "text/csv"}},
		{name: "classic: both outputs", contract: "classic", program: "echo one; echo two >&2; echo three", want: "one\ntwo\nthree\n", silent: []string{"two"}},
		{name: "classic: combine_output=false", contract: "classic", vars: "combine_output=false", program: "echo one; echo two >&2", want: "one\n",
			logs: []string{date + "stderr: two$"}},
		{name: "classic: failure", contract: "classic", program: "echo half; exit 4", status: 500, want: "exit status 4\nhalf\n", header: map[string]string{internalHeader: ""}},
		{name: "classic: exec_timeout", contract: "classic", vars: "exec_timeout=100ms", program: "echo half; sleep 100", status: 408, want: "Killed process.\n",
			logs: []string{date + "Killing process"}},
		{name: "classic: X-Timeout is another contract's", contract: "classic", program: "echo ok", headers: []string{"X-Timeout: 1ns"}, want: "ok\n"},
		{name: "classic: PATCH", contract: "classic", program: "echo $Http_Method", method: "PATCH", want: "PATCH\n"},
		{name: "classic: DELETE", contract: "classic", program: "echo $Http_Method", method: "DELETE", want: "DELETE\n"},
		{name: "classic: HEAD", contract: "classic", program: "echo", method: "HEAD", status: 405},
		{name: "classic: OPTIONS", contract: "classic", program: "echo", method: "OPTIONS", status: 405},
		{name: "classic: another method", contract: "classic", program: "echo", method: "BREW", status: 405},
		{name: "classic: environment", contract: "classic", program: "env", path: "/p?q=1", body: "12345", headers: []string{"Host: its.name", "X-Many: first", "X-Many: second"},
			parts: []string{"\nHttp_Method=POST\n", "\nHttp_Path=/p\n", "\nHttp_Query=q=1\n", "\nHttp_Host=its.name\n", "\nHttp_ContentLength=5\n",
				"\nHttp_Content_Length=5\n", "\nHttp_X_Many=first\n", "\nGREETING=hi\n"}},
		{name: "classic: cgi_headers=false", contract: "classic", vars: "cgi_headers=false", program: "env | grep -c Http_; echo $GREETING", status: 200, want: "0\nhi\n"},
		{name: "classic: write_debug", contract: "classic", vars: "write_debug=true", program: "echo said", want: "said\n", prints: []string{"^said$"}, logs: []string{"Wrote 5 Bytes"}},
		{name: "classic: write_debug of a failure", contract: "classic", vars: "write_debug=true", program: "echo said; exit 2", status: 500, want: "exit status 2\nsaid\n",
			prints: []string{"^said$"}, logs: []string{"Error=exit status 2"}},
		{name: "classic: debug_headers", contract: "classic", vars: "debug_headers=true", program: "echo", headers: []string{"X-Own: v", "Authorization: Basic c2VjcmV0"},
			prints: []string{`^\[in\] X-Own=\[v\]$`, `^\[in\] Authorization=\[\(hidden\)\]$`, `^\[out\] X-Duration-Seconds=`}, silent: []string{"c2VjcmV0"}},
		{name: "classic: not /_/ready", contract: "classic", program: "echo $Http_Path", method: "GET", path: "/_/ready", want: "/_/ready\n"},
	}
}

func TestForkedPrograms(t *testing.T) {
	for _, c := range forkCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			vars := append(strings.Split(c.vars, ";"), "fprocess="+script(t, c.program))
			r := start(t, c.contract, vars...)
			if c.method == "" {
				c.method = http.MethodPost
			}
			if c.path == "" {
				c.path = "/"
			}
			checkAnswer(t, c, r.ask(c.method, c.path, strings.NewReader(c.body), c.headers...))
			if code := r.stop(); code != 0 { // then everything is printed
				t.Errorf("exit code %d", code)
			}
			checkPrinted(t, r.err, c.logs)
			checkPrinted(t, r.out, c.prints)
			for _, no := range c.silent {
				if strings.Contains(r.err.String()+r.out.String(), no) {
					t.Errorf("%q was printed", no)
				}
			}
		})
	}
}

func checkAnswer(t *testing.T, c forkCase, a answer) {
	t.Helper()
	want := c.status
	if want == 0 {
		want = http.StatusOK
	}
	if a.status != want {
		t.Errorf("status %d, want %d: %q", a.status, want, a.body)
	}
	if c.parts == nil && c.want != "" && a.body != c.want {
		t.Errorf("body %q, want %q", a.body, c.want)
	}
	for _, part := range c.parts {
		if !strings.Contains("\n"+a.body, part) {
			t.Errorf("no %q in\n%s", part, a.body)
		}
	}
	for name, want := range c.header {
		got, there := a.header.Get(name), a.header.Get(name) != ""
		if want == "*" && !there || want != "*" && got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func checkPrinted(t *testing.T, o *output, patterns []string) {
	t.Helper()
	for _, p := range patterns {
		re := regexp.MustCompile("(?m)" + p)
		if !re.MatchString(o.String()) {
			t.Errorf("no line %s in\n%s", p, o)
		}
	}
}

func TestAWholeRequestAsJSON(t *testing.T) {
	t.Parallel()
	r := start(t, "classic", "marshal_request=true", "fprocess=cat")
	var got struct {
		Header http.Header
		Body   struct{ Raw []byte }
	}
	a := r.ask("POST", "/", strings.NewReader("\x00\xff!"), "X-Own: v")
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Header.Get("X-Own") != "v" || string(got.Body.Raw) != "\x00\xff!" {
		t.Errorf("%q: %v", a.body, err)
	}
	if !strings.Contains(a.body, `"header":`) || !strings.Contains(a.body, `"body":{"raw":`) {
		t.Errorf("names of the fields: %s", a.body)
	}
}

// TestCallersCannotSetOtherVariables is about httpoxy and its like.
func TestCallersCannotSetOtherVariables(t *testing.T) {
	t.Parallel()
	for _, contract := range []string{"of", "classic"} {
		r := start(t, contract, "fprocess="+script(t, "tr '\\0' '\\n' < /proc/self/environ"), "Http_Smuggled=from outside", "NUL=no")
		c := r.raw()
		_, err := io.WriteString(c, "POST /p HTTP/1.1\r\nHost: h\r\nProxy: http://evil\r\nPath: /bin/evil\r\nMethod: EVIL\r\nQuery: evil\r\nHost-: evil\r\n"+
			"ContentLength: evil\r\nTransfer-Encoding: chunked\r\nLD_PRELOAD: evil\r\nX_Call_Id: evil\r\nPATH: evil\r\nX-Rouse-Deadline: 1\r\nX.Dot: evil\r\nConnection: close\r\n\r\n0\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		seen := map[string]string{}
		for line := range strings.Lines(string(body)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if _, twice := seen[name]; twice {
				t.Errorf("%s: %s is there twice", contract, name)
			}
			seen[name] = value
		}
		for name, want := range map[string]string{
			"Http_Proxy": "http://evil", "Http_Method": "POST", "Http_Path": "/p", "Http_Transfer_Encoding": "chunked", "GREETING": "hi",
			"HTTP_PROXY": "", "LD_PRELOAD": "", "Http_LD_PRELOAD": "", "Http_Ld_preload": "", "Http_Query": "", "Http_Smuggled": "", "Http_X_Call_Id": "", "LISTEN_FDS": "",
			"Http_X_Rouse_Deadline": "", "Http_Contentlength": "",
		} {
			if seen[name] != want {
				t.Errorf("%s: %s is %q, want %q", contract, name, seen[name], want)
			}
		}
		if strings.Contains(seen["PATH"], "evil") || seen["PATH"] == "" {
			t.Errorf("%s: PATH is %q", contract, seen["PATH"])
		}
	}
}

func TestHeadersHaveALimit(t *testing.T) {
	t.Parallel()
	r := start(t, "of", "fprocess="+script(t, `echo ${#Http_X_Big}`))
	for size, want := range map[int]int{100 << 10: 200, 200 << 10: 431 /* more than a variable can hold */, 2 << 20: 431} {
		if a := r.ask("GET", "/", nil, "X-Big: "+strings.Repeat("x", size)); a.status != want || want == 200 && a.body != fmt.Sprintln(size) {
			t.Errorf("%d bytes: got %d %.80q, want %d", size, a.status, a.body, want)
		}
	}
}

func TestBigBodiesGoBothWaysAtOnce(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("0123456789abcdef", 1<<20)
	for _, c := range []struct{ contract, vars string }{
		{"of", "mode=streaming"}, {"of", "mode=serializing"}, {"classic", ""}, {"classic", "marshal_request=false;combine_output=false"},
	} {
		r := start(t, c.contract, append(strings.Split(c.vars, ";"), "fprocess=cat")...)
		for name, body := range map[string]io.Reader{"length": strings.NewReader(big), "chunked": io.MultiReader(strings.NewReader(big))} {
			if a := r.ask("POST", "/", body); a.status != 200 || a.body != big {
				t.Errorf("%s %s %s: status %d, %d bytes", c.contract, c.vars, name, a.status, len(a.body))
			}
		}
	}
}

func TestOutputComesWhileInputGoesOn(t *testing.T) {
	t.Parallel()
	r := start(t, "of", "fprocess="+script(t, `while read line; do echo "got $line"; done`))
	pr, pw := io.Pipe()
	go fmt.Fprintln(pw, "one")
	res := r.send("POST", "/", pr)
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for _, word := range []string{"one", "two", "three"} {
		if word != "one" {
			fmt.Fprintln(pw, word)
		}
		if got := readLine(t, lines); got != "got "+word+"\n" {
			t.Errorf("got %q after %s", got, word)
		}
	}
	pw.Close()
}

func TestInputThatIsNotReadHoldsNobody(t *testing.T) {
	t.Parallel()
	for _, contract := range []string{"of", "classic"} {
		r := start(t, contract, "fprocess="+script(t, "echo done"))
		endless, pw := io.Pipe()
		res := r.send("POST", "/", endless)
		if got := readLine(t, bufio.NewReader(res.Body)); got != "done\n" {
			t.Errorf("%s: got %q", contract, got)
		}
		res.Body.Close()
		pw.Close()
	}
}

func TestACutRequestIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	// The program says whether it saw an end.
	r := start(t, "of", "read_timeout=300ms", "fprocess="+script(t, "cat >/dev/null; echo whole >&2"))
	c := r.raw()
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, c) // until the server has had enough
	if r.stop(); strings.Contains(r.err.String(), "whole") {
		t.Error("the program took half of a request for all of it")
	}
}

func TestACallerWhoLeavesEndsTheProgramAndWhatItStarted(t *testing.T) {
	t.Parallel()
	r := start(t, "of", "fprocess="+script(t, "sleep 1000 & echo $$ $!; wait"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res, err := r.Do(r.request(ctx, "GET", "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	handles := hold(t, pids(t, res.Body))
	cancel()
	gone(t, handles)
}

func TestWhatAProgramLeavesBehindEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	for _, contract := range []string{"of", "classic"} {
		r := start(t, contract, "fprocess="+script(t, "sleep 1000 & echo $!"))
		a := r.ask("GET", "/", nil) // would hang if the child kept the output open
		gone(t, hold(t, pids(t, strings.NewReader(a.body))))
	}
}

func TestATimeoutAfterOutputCutsTheResponseOff(t *testing.T) {
	t.Parallel()
	r := start(t, "of", "exec_timeout=300ms", "fprocess="+script(t, "echo begun; exec sleep 100"))
	res := r.send("GET", "/", nil)
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err == nil || string(body) != "begun\n" {
		t.Errorf("got %q, %v", body, err)
	}
}
