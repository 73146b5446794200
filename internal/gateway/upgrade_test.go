package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// shout is a function that switches to a protocol in which each line comes
// back in capitals; "bye" makes it close.
func shout(c net.Conn) {
	br := bufio.NewReader(c)
	req, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	if req.Header.Get("Upgrade") != "shout" {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
		return
	}
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: shout\r\nX-Sub: a\r\n\r\nREADY\n")
	for {
		line, err := br.ReadString('\n')
		if err != nil || line == "bye\n" {
			fmt.Fprint(c, "BYE\n")
			return
		}
		fmt.Fprint(c, strings.ToUpper(line))
	}
}

// upgrade asks for the protocol, with the first line sent along.
func upgrade(t *testing.T, c net.Conn, br *bufio.Reader) {
	t.Helper()
	fmt.Fprintf(c, "GET /function/shout HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: shout\r\n\r\nearly\n")
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 101 || res.Header.Get("Upgrade") != "shout" || !strings.EqualFold(res.Header.Get("Connection"), "upgrade") ||
		res.Header.Get("X-Sub") != "a" || res.Header.Get("X-Call-Id") == "" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	for _, want := range []string{"READY\n", "EARLY\n"} {
		if got, err := br.ReadString('\n'); got != want || err != nil {
			t.Fatalf("%q, %v; want %q", got, err, want)
		}
	}
}

func TestAnUpgradedConnectionCarriesBytesBothWays(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"shout": raw(shout)}, timeout: 100 * time.Millisecond})
	for front, before := range map[string]string{"own": "", "net/http": "GET /v1 HTTP/1.1\r\nHost: a\r\n\r\n"} {
		for end, last := range map[string]func(c *net.TCPConn, br *bufio.Reader) error{
			"function closes": func(c *net.TCPConn, br *bufio.Reader) error {
				_, err := io.WriteString(c, "bye\n")
				return err
			},
			"client half-closes": func(c *net.TCPConn, br *bufio.Reader) error { return c.CloseWrite() },
		} {
			t.Run(front+", "+end, func(t *testing.T) {
				c := r.dial()
				br := bufio.NewReader(c)
				if before != "" {
					io.WriteString(c, before)
					res, err := http.ReadResponse(br, nil)
					if err != nil {
						t.Fatal(err)
					}
					io.Copy(io.Discard, res.Body)
				}
				upgrade(t, c, br)
				for i := range 5 { // longer than the deadline of a call
					fmt.Fprintf(c, "line %d\n", i)
					if got, err := br.ReadString('\n'); got != fmt.Sprintf("LINE %d\n", i) || err != nil {
						t.Fatalf("%q, %v", got, err)
					}
					_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
					if _, err := br.Peek(1); err == nil || err == io.EOF {
						t.Fatalf("quiet line: %v", err)
					}
					_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				}
				if err := last(c, br); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(br); string(got) != "BYE\n" || err != nil {
					t.Errorf("at the end %q, %v", got, err)
				}
				c.Close()
				inv := r.record()
				if inv.Status != 101 || inv.Cause != "" || inv.In < 40 || inv.Out < 40 {
					t.Errorf("record %+v", inv)
				}
			})
		}
	}
}

func TestAnUpgradedConnectionEndsWithItsClient(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"shout": raw(shout)}})
	c := r.dial()
	upgrade(t, c, bufio.NewReader(c))
	c.Close()
	if inv := r.record(); inv.Status != 101 {
		t.Errorf("record %+v", inv)
	}
}

func TestHTTP2IsNeverNegotiatedThroughToAFunction(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"f": handler(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Upgrade"), r.Header.Get("Connection"), r.Header.Get("HTTP2-Settings"))
	})}})
	got := r.talk("GET /function/f HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "Content-Length: 0\r\n") && !strings.Contains(got, "Content-Length: 0\r\n") {
		t.Errorf("%q", got)
	}
}

func TestAnUpgradeTheFunctionDeclinesIsAnOrdinaryAnswer(t *testing.T) {
	r := newRig(t, rigConfig{functions: map[string]function{"shout": raw(shout)}})
	got := r.talk("GET /function/shout HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: whisper\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "plain") {
		t.Errorf("%q", got)
	}
}
