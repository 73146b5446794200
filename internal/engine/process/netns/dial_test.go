package netns

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDialReachesTheProgramInside(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, nil)
	for _, on := range []bool{true, false} {
		n := acquire(t, m, on)
		if _, err := n.Dial(t.Context(), 8080); !errors.Is(err, unix.ECONNREFUSED) {
			t.Fatalf("before it listens: %v", err)
		}
		w.listen(t, n.FD(), "0.0.0.0:8080")
		c, err := n.Dial(t.Context(), 8080)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := c.(*net.TCPConn); !ok {
			t.Errorf("got a %T", c)
		}
		if b, err := io.ReadAll(c); string(b) != "127.0.0.1" {
			t.Errorf("the program says %q, %v", b, err)
		}
		c.Close()
	}
}

func TestDialFindsAProgramThatListensOnIPv6Only(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, nil)
	n := acquire(t, m, false)
	var l net.Listener
	err := within(w.home, n.FD(), func() (err error) {
		l, err = net.Listen("tcp6", "[::1]:8080")
		return err
	})
	if err != nil {
		t.Skip("this kernel has no IPv6:", err)
	}
	defer l.Close()
	c, err := n.Dial(t.Context(), 8080)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	newWorld(t)
	m := newManager(t, nil)
	n := acquire(t, m, false)
	// A listener with a full backlog never answers the next connection.
	var fd int
	if err := within(m.home, n.FD(), func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: 8080}), unix.Listen(fd, 0))
	}); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	gone := errors.New("the caller left")
	ctx, cancel := context.WithCancelCause(t.Context())
	first, err := n.Dial(ctx, 8080)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	result := make(chan error)
	go func() {
		_, err := n.Dial(ctx, 8080)
		result <- err
	}()
	cancel(gone)
	if err := <-result; !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
}

func TestDialAfterReleaseFails(t *testing.T) {
	newWorld(t)
	m := newManager(t, nil)
	n := acquire(t, m, true)
	n.Release()
	if _, err := n.Dial(t.Context(), 8080); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestThreadsComeHome(t *testing.T) {
	newWorld(t)
	m := newManager(t, nil)
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	n := acquire(t, m, true)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 20 {
				_, _ = n.Dial(t.Context(), 1)
				if here, err := os.Readlink(threadNS); err != nil || here != home {
					t.Errorf("a thread is in %s, not %s: %v", here, home, err)
				}
			}
		})
	}
	wg.Wait()
}
