package gateway

import (
	"bytes"
	"io"
	"net"
	"testing"
)

func TestAWarmCallDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	r := newRig(t, rigConfig{quiet: true, functions: map[string]function{"f": raw(func(c net.Conn) {
		buf, n := make([]byte, 4096), 0
		for {
			m, err := c.Read(buf[n:])
			if err != nil {
				return
			}
			if n += m; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				n = 0
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}
	})}})
	c := r.dial()
	request := []byte("GET /function/f HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n")
	buf := make([]byte, 4096)
	call := func() {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		for n := 0; !bytes.HasSuffix(buf[:n], []byte("hello")); {
			m, err := c.Read(buf[n:])
			if err == io.EOF || err != nil {
				t.Fatal(err)
			}
			n += m
		}
	}
	for range 10 {
		call()
	}
	if n := testing.AllocsPerRun(2000, call); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
