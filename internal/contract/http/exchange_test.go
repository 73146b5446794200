package httpcontract

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"rouse.dev/rouse/internal/memnet"
	"rouse.dev/rouse/internal/wire"
)

// instance returns a connection to an instance that says words and closes.
func instance(t *testing.T, words string) *wire.Conn {
	t.Helper()
	near, far := memnet.Pipe()
	t.Cleanup(func() { near.Close() })
	go func() {
		io.WriteString(far, words)
		far.Close()
	}()
	return wire.NewConn(near)
}

func TestAnExchangeReadsOneResponse(t *testing.T) {
	for name, tc := range map[string]struct {
		words    string
		head     bool
		status   int
		interims int
		body     string
		reusable bool
		err      string
	}{
		"plain":            {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, 200, 0, "ok", true, ""},
		"more follows":     {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP", false, 200, 0, "ok", false, ""},
		"closing":          {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false, 200, 0, "ok", false, ""},
		"until close":      {"HTTP/1.1 200 OK\r\n\r\nok", false, 200, 0, "ok", false, ""},
		"HEAD":             {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true, 200, 0, "", true, ""},
		"interims":         {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 204 None\r\n\r\n", false, 204, 2, "", true, ""},
		"switch":           {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", false, 101, 0, "", false, ""},
		"endless interims": {strings.Repeat("HTTP/1.1 102 Wait\r\n\r\n", 33), false, 0, 32, "", false, "more than 32 interim responses"},
		"endless head":     {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 5000), false, 0, 0, "", false, "response head larger than 4096 bytes"},
		"head too large":   {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 5000) + "\r\n\r\n", false, 0, 0, "", false, "response head larger than 4096 bytes"},
		"nonsense":         {"nonsense\r\n\r\n", false, 0, 0, "", false, "malformed status line"},
		"cut":              {"HTTP/1.1 200 OK\r\n", false, 0, 0, "", false, "unexpected EOF"},
		"nothing":          {"", false, 0, 0, "", false, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			var x Exchange
			x.Begin(instance(t, tc.words), tc.head)
			err := x.Await(4096)
			interims := 0
			for ; err == nil && x.Response.Interim(); err = x.Await(4096) {
				interims++
				x.Skip()
			}
			if tc.err != "" {
				if err == nil || err.Error() != tc.err || interims != tc.interims {
					t.Errorf("after %d interims: %v", interims, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			status := x.Response.Status
			x.Accept()
			var body []byte
			if status != 101 {
				body, err = io.ReadAll(&x.Body)
			}
			if status != tc.status || interims != tc.interims || string(body) != tc.body || err != nil || x.Reusable() != tc.reusable {
				t.Errorf("%d after %d interims, body %q, %v, reusable %v", status, interims, body, err, x.Reusable())
			}
		})
	}
}

func TestOnlyWhatTheInstanceCannotHaveActedOnIsUnheard(t *testing.T) {
	reset, broken, end := error(syscall.ECONNRESET), error(&net.OpError{Op: "write", Err: syscall.EPIPE}), io.ErrUnexpectedEOF
	for name, tc := range map[string]struct {
		err  error
		sent Sent
		want bool
	}{
		"nothing could be written":      {broken, Sent{0, true, false}, true},
		"nothing written, other error":  {end, Sent{0, false, true}, false},
		"reset, no body":                {reset, Sent{100, false, false}, true},
		"reset, some of a body":         {reset, Sent{100, true, false}, false},
		"closed after GET":              {end, Sent{100, false, true}, true},
		"closed after POST":             {end, Sent{100, false, false}, false},
		"closed after PUT with a body":  {end, Sent{100, true, true}, false},
		"a deadline is not a dead line": {errors.New("i/o timeout"), Sent{100, false, true}, false},
	} {
		var x Exchange
		x.Begin(instance(t, ""), false)
		if got := x.Unheard(tc.err, tc.sent); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	var x Exchange
	x.Begin(instance(t, "H"), false)
	if err := x.Await(100); x.Unheard(err, Sent{100, false, true}) {
		t.Error("part of a response was read, and the request counts as unheard")
	}
}

// source is a request body.
type source struct {
	io.Reader
	trailers []wire.Field
}

func (s source) Trailers() []wire.Field { return s.trailers }

func TestAnUploadIsFramed(t *testing.T) {
	sum, err := wire.NewField("X-Sum", "1")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader("hello"),
		"EOF with it":  iotest.DataErrReader(strings.NewReader("hello")),
		"byte by byte": iotest.OneByteReader(strings.NewReader("hello")),
	} {
		t.Run(name, func(t *testing.T) {
			near, far := memnet.Pipe()
			if err := Upload(far, source{r, []wire.Field{sum}}, true); err != nil {
				t.Fatal(err)
			}
			far.Close()
			var b wire.Body
			b.Reset(wire.NewConn(near), wire.Chunked, -1)
			got, err := io.ReadAll(&b)
			if string(got) != "hello" || err != nil || fmt.Sprintf("%s", b.Trailers()[0].Value) != "1" {
				t.Errorf("%q, %v, %q", got, err, b.Trailers())
			}
		})
	}
}

func TestAnUploadThatBreaksOffHasNoEnd(t *testing.T) {
	bad := errors.New("client left")
	near, far := memnet.Pipe()
	err := Upload(far, source{io.MultiReader(strings.NewReader("hello"), iotest.ErrReader(bad)), nil}, true)
	if _, ok := errors.AsType[*SourceError](err); !ok || !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	far.Close()
	if got, _ := io.ReadAll(near); string(got) != "5\r\nhello\r\n" {
		t.Errorf("the instance got %q", got)
	}
	near.Close()
	if err := Upload(far, source{strings.NewReader("hello"), nil}, false); !errors.Is(err, net.ErrClosed) {
		t.Errorf("to a closed connection: %v", err)
	}
}

func TestAPieceStandsBehindWhatIsThere(t *testing.T) {
	for _, n := range []int{1, 15, 16, 300, 5000} {
		for _, chunked := range []bool{false, true} {
			body := bytes.Repeat([]byte("x"), n)
			buf := make([]byte, 8192)
			copy(buf, "head ")
			piece, last, err := Piece(buf, 5, source{bytes.NewReader(body), nil}, chunked)
			want := "head " + string(body)
			if chunked {
				want = fmt.Sprintf("head %x\r\n%s\r\n", n, body)
			}
			if string(piece) != want || last || err != nil {
				t.Errorf("%d bytes, chunked %v: %.40q, %v, %v", n, chunked, piece, last, err)
			}
		}
	}
}
