package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
)

// pair returns the two ends of a connection.
func pair(t *testing.T, network string) (*Conn, net.Conn) {
	t.Helper()
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(t.TempDir(), "s")
	}
	ln, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial(network, ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return NewConn(near), far
}

func each(t *testing.T, f func(t *testing.T, near *Conn, far net.Conn)) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			near, far := pair(t, network)
			f(t, near, far)
		})
	}
}

func TestAnIdleConnectionHoldsNoBuffer(t *testing.T) {
	each(t, func(t *testing.T, near *Conn, far net.Conn) {
		far.Write([]byte("hello"))
		if err := near.Fill(BufferSize); err != nil || string(near.Buffered()) != "hello" {
			t.Fatalf("%q, %v", near.Buffered(), err)
		}
		near.Discard(2)
		p := make([]byte, 10)
		if n, _ := near.Read(p); string(p[:n]) != "llo" || near.buf != nil {
			t.Errorf("read %q, buffer kept: %v", p[:n], near.buf != nil)
		}
		failed := make(chan error)
		go func() { failed <- near.Fill(BufferSize) }()
		far.Close()
		if err := <-failed; err != io.EOF || near.buf != nil {
			t.Errorf("at the end: %v, buffer kept: %v", err, near.buf != nil)
		}
	})
}

func TestTheBufferGrowsToItsLimitOnly(t *testing.T) {
	each(t, func(t *testing.T, near *Conn, far net.Conn) {
		const limit = 3 * BufferSize
		data := bytes.Repeat([]byte("0123456789abcdef"), limit/8)
		go far.Write(data)
		var err error
		for err == nil {
			err = near.Fill(limit)
		}
		got := near.Buffered()
		if !errors.Is(err, ErrHeadTooLarge) || len(got) < limit || len(got) > 2*limit || !bytes.HasPrefix(data, got) {
			t.Errorf("%v with %d bytes", err, len(got))
		}
		near.Discard(len(got))
		if near.buf != nil {
			t.Error("the large buffer is kept")
		}
	})
}

func TestGoneSeesThatThePeerLeftAndConsumesNothing(t *testing.T) {
	each(t, func(t *testing.T, near *Conn, far net.Conn) {
		if near.Gone() || near.Stale() {
			t.Error("a quiet connection is gone or stale")
		}
		far.Write([]byte("x"))
		if near.Gone() || !near.Stale() {
			t.Error("bytes to read: want not gone, but stale")
		}
		far.Close()
		if near.Gone() {
			t.Error("gone although a byte is left")
		}
		if n, err := near.Read(make([]byte, 5)); n != 1 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		if !near.Gone() || !near.Stale() {
			t.Error("neither gone nor stale at the end")
		}
		near.Close()
		if !near.Gone() || !near.Stale() {
			t.Error("a connection we closed is neither gone nor stale")
		}
	})
}
