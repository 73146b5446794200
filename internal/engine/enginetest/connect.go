package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func dialCases() []testCase {
	return []testCase{
		{"a socket takes connections before the program accepts", dialEarly},
		{"a port is refused until the program listens", dialPort},
		{"what is sent comes back", dialEcho},
		{"many connections at once", dialMany},
		{"a cancelled context cancels it", dialCancelled},
		{"it fails when the instance is gone", dialGone},
		{"every instance has the same port", dialSamePort},
	}
}

func dialEarly(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	c, err := r.Dial(t.Context()) // at once: no second try
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, ok := c.(*net.UnixConn); !ok {
		t.Errorf("the connection is a %T", c)
	}
	_ = c.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(c, "ping\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); string(b) != "pong" {
		t.Errorf("it says %q, %v", b, err)
	}
	me := parseSelf(t, r.ask(t, "self"))
	for _, want := range []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=http"} {
		if !slices.Contains(me.Env, want) {
			t.Errorf("%s is missing from %q", want, me.Env)
		}
	}
	// Without a process namespace nobody knows the number before the program
	// runs; then the variable may be left out, but not be wrong.
	pid := slices.IndexFunc(me.Env, func(kv string) bool { return strings.HasPrefix(kv, "LISTEN_PID=") })
	if (pid >= 0 || s.opts.Isolated) && !slices.Contains(me.Env, "LISTEN_PID="+strconv.Itoa(me.Pid)) {
		t.Errorf("it is process %d, its environment %q", me.Pid, me.Env)
	}
}

func dialPort(t *testing.T, s *suite) {
	e := s.engine(t)
	idle := s.spec("wait")
	idle.Program.Listen = fn.ListenPort
	if c, err := s.start(t, e, idle).Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nothing listens: %v, %v", c, err)
	}
	r := s.start(t, e, s.server(fn.ListenPort))
	c := dial(t, r)
	defer c.Close()
	if _, ok := c.(*net.TCPConn); !ok {
		t.Errorf("the connection is a %T", c)
	}
	if got := r.ask(t, "ping"); got != "pong" {
		t.Errorf("it says %q", got)
	}
}

func dialEcho(t *testing.T, s *suite) {
	e := s.engine(t)
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort} {
		c := dial(t, s.start(t, e, s.server(listen)))
		defer c.Close()
		want := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB: more than any buffer
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = io.WriteString(c, "echo\n"+want)
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
		})
		got, err := io.ReadAll(c)
		wg.Wait()
		if string(got) != want {
			t.Errorf("%s: %d bytes came back of %d, %v", listen, len(got), len(want), err)
		}
	}
}

func dialMany(t *testing.T, s *suite) {
	e := s.engine(t)
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort} {
		r := s.start(t, e, s.server(listen))
		dial(t, r).Close()
		var wg sync.WaitGroup
		errs := make(chan error, 64)
		for range 64 {
			wg.Go(func() { errs <- pingOnce(t.Context(), r) })
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Errorf("%s: %v", listen, err)
			}
		}
	}
}

func pingOnce(ctx context.Context, r *running) error {
	c, err := r.Dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(c, "ping\n"); err != nil {
		return err
	}
	b, err := io.ReadAll(c)
	if err == nil && string(b) != "pong" {
		err = fmt.Errorf("it says %q", b)
	}
	return err
}

func dialCancelled(t *testing.T, s *suite) {
	e := s.engine(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort} {
		r := s.start(t, e, s.server(listen))
		dial(t, r).Close()
		if c, err := r.Dial(ctx); err == nil {
			c.Close() // allowed: it never had to wait
		} else if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

func dialGone(t *testing.T, s *suite) {
	e := s.engine(t)
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort} {
		r := s.start(t, e, s.server(listen))
		dial(t, r).Close()
		if err := r.Stop(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if c, err := r.Dial(within(t, limit)); err == nil {
			c.Close()
			t.Errorf("%s: connected to an instance that is gone", listen)
		}
	}
}

func dialSamePort(t *testing.T, s *suite) {
	if !s.opts.Network {
		t.Skip("instances share the host's network")
	}
	e := s.engine(t)
	ports := map[string]bool{}
	for range 3 {
		r := s.start(t, e, s.server(fn.ListenPort))
		for _, kv := range parseSelf(t, r.ask(t, "self")).Env {
			if port, ok := strings.CutPrefix(kv, "PORT="); ok {
				ports[port] = true
			}
		}
	}
	if len(ports) != 1 {
		t.Errorf("three instances listen on %v", ports)
	}
}
