package wire

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

// What we accept net/http accepts too, and reads the same way: a function
// written in Go sees the message we saw.

func FuzzRequest(f *testing.F) {
	for _, tc := range smuggling {
		f.Add([]byte(tc.in))
	}
	f.Add([]byte("GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: a, close\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("POST http://a/b HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var r Request
		r.Reset()
		n, err := r.Parse(in)
		if err != nil || n == 0 {
			return
		}
		in = bytes.TrimPrefix(in, []byte("\r\n")) // we may skip one empty line, net/http does not
		if string(r.Method) == "CONNECT" || r.Target[0] != '/' {
			return // not ours to serve: handed to net/http as it is
		}
		want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			t.Fatalf("we accept %q, net/http says %v", in, err)
		}
		length := want.ContentLength
		if r.Framing == NoBody && length != 0 || r.Framing == Fixed && length != r.Length ||
			r.Framing == Chunked && (len(want.TransferEncoding) != 1 || want.TransferEncoding[0] != "chunked") {
			t.Errorf("%q: framing %d %d, net/http: %d %v", in, r.Framing, r.Length, length, want.TransferEncoding)
		}
		if want.Method != string(r.Method) || want.RequestURI != string(r.Target) || want.ProtoMinor != r.Minor {
			t.Errorf("%q: %s %s 1.%d, net/http: %s %s %s", in, r.Method, r.Target, r.Minor, want.Method, want.RequestURI, want.Proto)
		}
		if want.Host != string(r.Host) {
			t.Errorf("%q: host %q, net/http: %q", in, r.Host, want.Host)
		}
		// net/http takes HTTP/1.0 with "keep-alive, close" for closing, as we do.
		if want.Close == r.Persistent() {
			t.Errorf("%q: persistent %v, net/http closes: %v", in, r.Persistent(), want.Close)
		}
		fields := 0
		for name, values := range want.Header {
			for _, v := range values {
				fields++
				if !hasField(r.Fields, name, v) {
					t.Errorf("%q: net/http has %s: %q, we have not", in, name, v)
				}
			}
		}
	})
}

func hasField(fields []Field, name, value string) bool {
	for _, f := range fields {
		if strings.EqualFold(string(f.Name), name) && string(f.Value) == value {
			return true
		}
	}
	return false
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), false)
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), false)
	f.Add([]byte("HTTP/1.0 304\r\nConnection: keep-alive\r\n\r\n"), true)
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, in []byte, head bool) {
		var r Response
		r.Reset()
		n, err := r.Parse(in, head)
		if err != nil || n == 0 {
			return
		}
		method := "GET"
		if head {
			method = "HEAD"
		}
		want, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("we accept %q, net/http says %v", in, err)
		}
		if want.StatusCode != r.Status {
			t.Errorf("%q: status %d, net/http: %d", in, r.Status, want.StatusCode)
		}
		chunked := len(want.TransferEncoding) == 1 && want.TransferEncoding[0] == "chunked"
		switch r.Framing {
		case Fixed:
			if want.ContentLength != r.Length {
				t.Errorf("%q: length %d, net/http: %d", in, r.Length, want.ContentLength)
			}
		case Chunked:
			if !chunked {
				t.Errorf("%q: chunked, net/http: %v", in, want.TransferEncoding)
			}
		case UntilClose:
			if chunked || want.ContentLength >= 0 {
				t.Errorf("%q: until close, net/http: %d %v", in, want.ContentLength, want.TransferEncoding)
			}
		}
	})
}

func FuzzChunked(f *testing.F) {
	f.Add([]byte("3\r\nabc\r\n0\r\n\r\n"), uint8(7))
	f.Add([]byte("3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n"), uint8(1))
	f.Add([]byte("0003 \r\nabc\r\n00\r\n\r\n"), uint8(200))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		got, _, _, err := bodyOf(bytes.NewReader(in), Chunked, -1, int(size)+1)
		if err != nil {
			return
		}
		want, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		if err != nil || string(want) != got {
			t.Errorf("%q: we read %q, net/http %q, %v", in, got, want, err)
		}
	})
}
