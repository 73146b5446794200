package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// smuggling is a corpus of requests that at least one server or proxy has
// been known to read differently from another. All are refused.
var smuggling = map[string]struct {
	in     string
	status int
}{
	"length and chunked":            {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	"chunked and length":            {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n", 400},
	"two lengths":                   {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n", 400},
	"the same length twice":         {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n", 400},
	"a list of lengths":             {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\n", 400},
	"signed length":                 {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\n", 400},
	"negative length":               {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
	"hexadecimal length":            {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\n", 400},
	"huge length":                   {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
	"empty length":                  {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
	"unknown coding":                {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
	"coding before chunked":         {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
	"chunked twice":                 {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 501},
	"two codings fields":            {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400},
	"vertical tab in coding":        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \vchunked\r\n\r\n", 400},
	"quoted coding":                 {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 501},
	"coding in an old message":      {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
	"space before the colon":        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n", 400},
	"tab before the colon":          {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 4\r\n\r\n", 400},
	"folded field":                  {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n , gzip\r\n\r\n", 400},
	"fold at the first field":       {"POST / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
	"bare LF ends the head":         {"GET / HTTP/1.1\nHost: a\n\n", 400},
	"bare LF in the middle":         {"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400},
	"LF LF before the end":          {"GET / HTTP/1.1\r\nHost: a\r\n\nGET /x HTTP/1.1\r\n\r\n", 400},
	"bare CR in a value":            {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", 400},
	"bare CR in the request line":   {"GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"NUL in a value":                {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400},
	"NUL in a name":                 {"GET / HTTP/1.1\r\nHost: a\r\nX\x00: b\r\n\r\n", 400},
	"DEL in a value":                {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", 400},
	"field without colon":           {"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
	"field without name":            {"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
	"non-ASCII name":                {"GET / HTTP/1.1\r\nHost: a\r\nX\xff: y\r\n\r\n", 400},
	"no Host":                       {"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400},
	"two Hosts":                     {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
	"two equal Hosts":               {"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400},
	"Host with a path":              {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
	"Host with a user":              {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
	"Host with a space":             {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
	"two spaces in the line":        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"space in the target":           {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"tab in the line":               {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"no target":                     {"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"no version":                    {"GET /\r\nHost: a\r\n\r\n", 400},
	"fragment":                      {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"bad escape":                    {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"cut escape":                    {"GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"version 2":                     {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
	"version 1.2":                   {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
	"version 0.9":                   {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
	"version in lower case":         {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
	"method with a colon":           {"G:T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"space before the request line": {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"unknown expectation":           {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417},
	"two empty lines first":         {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
	"Connection with a space":       {"GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n", 400},
}

func TestRequestsThatCanBeReadInTwoWaysAreRefused(t *testing.T) {
	for name, tc := range smuggling {
		t.Run(name, func(t *testing.T) {
			var r Request
			r.Reset()
			n, err := r.Parse([]byte(tc.in))
			bad, ok := errors.AsType[*SyntaxError](err)
			if !ok || bad.Status != tc.status {
				t.Errorf("parsed %d bytes, %v; want an error with status %d", n, err, tc.status)
			}
		})
	}
}

func TestTooManyFieldsAreRefused(t *testing.T) {
	for _, tc := range []struct{ fields, status int }{{MaxFields - 1, 0}, {MaxFields, 431}} {
		var r Request
		r.Reset()
		_, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", tc.fields) + "\r\n"))
		bad, _ := errors.AsType[*SyntaxError](err)
		if tc.status == 0 && err != nil || tc.status != 0 && (bad == nil || bad.Status != tc.status) {
			t.Errorf("%d fields and a Host: %v", tc.fields, err)
		}
	}
}

// describe prints everything a parsed request says.
func describe(r *Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.%d host=%s framing=%d length=%d", r.Method, r.Target, r.Minor, r.Host, r.Framing, r.Length)
	fmt.Fprintf(&b, " persistent=%v switch=%v upgrade=%s continue=%v trailers=%v", r.Persistent(), r.Switch, r.Upgrade, r.Continue, r.Trailers)
	for i := range r.Fields {
		f := &r.Fields[i]
		fmt.Fprintf(&b, "\n%s=%s hop=%v", f.Name, f.Value, r.Hop(f))
	}
	return b.String()
}

func TestRequestsAreTakenApart(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"plain": {
			"GET /a?b HTTP/1.1\r\nHost: x:80\r\nX-A:  b\t \r\nY:\r\n\r\n",
			"GET /a?b HTTP/1.1 host=x:80 framing=0 length=-1 persistent=true switch=false upgrade= continue=false trailers=false" +
				"\nHost=x:80 hop=false\nX-A=b hop=false\nY= hop=false",
		},
		"empty line first": {
			"\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n",
			"GET / HTTP/1.1 host= framing=0 length=-1 persistent=true switch=false upgrade= continue=false trailers=false\nHost= hop=false",
		},
		"body of known length": {
			"POST / HTTP/1.1\r\nhOST: a\r\ncontent-LENGTH: 007\r\nExpect: 100-Continue\r\nConnection: close\r\n\r\n",
			"POST / HTTP/1.1 host=a framing=1 length=7 persistent=false switch=false upgrade= continue=true trailers=false" +
				"\nhOST=a hop=false\ncontent-LENGTH=007 hop=false\nExpect=100-Continue hop=false\nConnection=close hop=true",
		},
		"chunked": {
			"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\nTE: trailers\r\n\r\n",
			"POST / HTTP/1.1 host=a framing=2 length=-1 persistent=true switch=false upgrade= continue=false trailers=true" +
				"\nHost=a hop=false\nTransfer-Encoding=Chunked hop=true\nTE=trailers hop=true",
		},
		"listed in Connection": {
			"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade,, x-one\r\nConnection: X-Two\r\nUpgrade: websocket\r\nX-One: 1\r\nx-two: 2\r\nX-Three: 3\r\n\r\n",
			"GET / HTTP/1.1 host=a framing=0 length=-1 persistent=true switch=true upgrade=websocket continue=false trailers=false" +
				"\nHost=a hop=false\nConnection=Upgrade,, x-one hop=true\nConnection=X-Two hop=true\nUpgrade=websocket hop=true" +
				"\nX-One=1 hop=true\nx-two=2 hop=true\nX-Three=3 hop=false",
		},
		"old": {
			"GET / HTTP/1.0\r\n\r\n",
			"GET / HTTP/1.0 host= framing=0 length=-1 persistent=false switch=false upgrade= continue=false trailers=false",
		},
		"old and kept alive": {
			"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
			"GET / HTTP/1.0 host= framing=0 length=-1 persistent=true switch=false upgrade= continue=false trailers=false\nConnection=Keep-Alive hop=true",
		},
		"length zero": {
			"PUT * HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
			"PUT * HTTP/1.1 host=a framing=0 length=0 persistent=true switch=false upgrade= continue=false trailers=false\nHost=a hop=false\nContent-Length=0 hop=false",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r Request
			for cut := range len(tc.in) { // it must not matter where the bytes are cut
				r.Reset()
				for end := cut; end < len(tc.in); end += 1 + cut {
					if n, err := r.Parse([]byte(tc.in[:end])); n != 0 || err != nil {
						t.Fatalf("%d of %d bytes: %d, %v", end, len(tc.in), n, err)
					}
				}
				n, err := r.Parse([]byte(tc.in + "next"))
				if n != len(tc.in) || err != nil {
					t.Fatalf("cut at %d: %d of %d bytes, %v", cut, n, len(tc.in), err)
				}
				if got := describe(&r); got != tc.want {
					t.Fatalf("cut at %d: got\n%s\nwant\n%s", cut, got, tc.want)
				}
			}
		})
	}
}

func TestParsingARequestDoesNotAllocate(t *testing.T) {
	in := []byte("POST /function/hello?x=y HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Length: 10\r\n\r\n")
	var r Request
	r.Parse(in)
	if n := testing.AllocsPerRun(100, func() {
		r.Reset()
		if _, err := r.Parse(in); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBuildRefusesWhatCouldBreakOutOfAHead(t *testing.T) {
	good := Parts{Method: "GET", Target: "/a", Host: "h", Header: map[string][]string{"X": {"y"}}}
	for name, tc := range map[string]struct {
		change func(*Parts)
		ok     bool
	}{
		"nothing wrong":         {func(*Parts) {}, true},
		"space in target":       {func(p *Parts) { p.Target = "/a HTTP/1.1" }, false},
		"line end in target":    {func(p *Parts) { p.Target = "/a\r\nX: y" }, false},
		"line end in method":    {func(p *Parts) { p.Method = "GET\r\n" }, false},
		"space in host":         {func(p *Parts) { p.Host = "a b" }, false},
		"line end in a value":   {func(p *Parts) { p.Header = map[string][]string{"X": {"a\r\nY: b"}} }, false},
		"colon in a name":       {func(p *Parts) { p.Header = map[string][]string{"X:": {"a"}} }, false},
		"length without a body": {func(p *Parts) { p.Header = map[string][]string{"Content-Length": {"5"}} }, false},
		"bad length":            {func(p *Parts) { p.Header = map[string][]string{"Content-Length": {"x"}} }, false},
		"length of nothing":     {func(p *Parts) { p.Header = map[string][]string{"Content-Length": {"0"}} }, true},
		"too many fields":       {func(p *Parts) { p.Header = map[string][]string{"X": make([]string, MaxFields+1)} }, false},
	} {
		p := good
		tc.change(&p)
		var r Request
		if err := r.Build(p); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
