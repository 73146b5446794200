package wire

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"
)

// A program that gathers small pieces (no TCP_NODELAY) sends the second part
// of its message when the first is acknowledged. Kernels take 40 ms for that,
// except early in a connection, if nobody tells them.
func TestAMessageInTwoPartsIsNotHeldUpByItsAcknowledgement(t *testing.T) {
	const plain, chunked = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, c := range []struct{ name, first, second string }{
		{"head and body", plain, "body"},
		{"head and chunks", chunked, "4\r\nbody\r\n0\r\n\r\n"},
		{"half a head", plain[:20], plain[20:] + "body"},
		{"a chunk and the end", chunked + "4\r\nbody\r\n", "0\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			near, far := pair(t, "tcp")
			if err := far.(*net.TCPConn).SetNoDelay(false); err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- answerInParts(far, c.first, c.second) }()
			var took []time.Duration
			for range 60 {
				began := time.Now()
				askOnce(t, near)
				took = append(took, time.Since(began))
			}
			near.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
			took = took[30:]
			slices.Sort(took)
			if took[len(took)/2] > 25*time.Millisecond {
				t.Errorf("half of all answers took longer than %v", took[len(took)/2])
			}
		})
	}
}

// answerInParts answers each byte that arrives.
func answerInParts(c net.Conn, first, second string) error {
	var b [1]byte
	for {
		if _, err := c.Read(b[:]); err != nil {
			return nil // it was closed
		}
		for _, part := range []string{first, second} {
			if _, err := io.WriteString(c, part); err != nil {
				return err
			}
		}
	}
}

func askOnce(t *testing.T, c *Conn) {
	t.Helper()
	if _, err := io.WriteString(c.Conn, "?"); err != nil {
		t.Fatal(err)
	}
	var r Response
	n := 0
	for n == 0 {
		err := c.Fill(BufferSize)
		if err == nil {
			r.Reset()
			n, err = r.Parse(c.Buffered(), false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Discard(n)
	var body Body
	body.Reset(c, r.Framing, r.Length)
	if text, err := io.ReadAll(&body); err != nil || string(text) != "body" {
		t.Fatalf("%q, %v", text, err)
	}
}
