package memnet

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"context"
	"net"
)

func TestAnHTTPServerAndClientTalkInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		})}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(ln) }()
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return ln.Dial(ctx) }}
		body := strings.Repeat("x", 3*window)
		res, err := (&http.Client{Transport: tr}).Post("http://mem/", "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if err != nil || string(b) != body {
			t.Errorf("got %d bytes back, %v; want %d", len(b), err, len(body))
		}
		res.Body.Close()
		tr.CloseIdleConnections()
		srv.Close()
		<-done
	})
}

func TestDeadlinesPassAndCanBeMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		began := time.Now()
		a.SetReadDeadline(began.Add(time.Minute))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("read ended after %v with %v", time.Since(began), err)
		}
		a.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := a.Write(make([]byte, 2*window)); n != window || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write of two windows: %d, %v", n, err)
		}
		a.SetDeadline(time.Time{})
		b.Write([]byte("x"))
		if n, err := a.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("read after the deadline was lifted: %d, %v", n, err)
		}
	})
}

func TestEndsAreSeenByTheOtherSide(t *testing.T) {
	a, b := Pipe()
	b.Write([]byte("last"))
	b.CloseWrite()
	if a.PeerClosed() {
		t.Error("closed although bytes are left to read")
	}
	if got, err := io.ReadAll(a); string(got) != "last" || err != nil || !a.PeerClosed() {
		t.Errorf("read %q, %v, closed %v", got, err, a.PeerClosed())
	}
	if _, err := a.Write([]byte("x")); err != nil {
		t.Errorf("write to a half-closed peer: %v", err)
	}
	b.Close()
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a closed peer: %v", err)
	}
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read of a closed connection: %v", err)
	}
}

func TestAClosedListenerRefuses(t *testing.T) {
	ln := Listen()
	ln.Close()
	ln.Close()
	if _, err := ln.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("dial: %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
}
