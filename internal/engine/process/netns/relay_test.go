package netns

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// question builds a query for the address of rouse.test.
func question(id uint16) []byte {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = append(b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	b = append(b, "\x05rouse\x04test\x00\x00\x01\x00\x01"...)
	return b
}

// answerTo builds the response with one address.
func answerTo(q []byte) []byte {
	b := bytes.Clone(q)
	b[2], b[3], b[7] = 0x81, 0x80, 1
	return append(b, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x63"...)
}

// fakeResolver answers on address:53 of the private host, over UDP and TCP.
// What it was asked, with the id it saw, comes out of asked.
type fakeResolver struct{ asked chan []byte }

func newFakeResolver(t testing.TB, address string, reply func([]byte) []byte) *fakeResolver {
	t.Helper()
	r := &fakeResolver{asked: make(chan []byte, 64)}
	p, err := net.ListenPacket("udp4", address+":53")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", address+":53")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { p.Close(); l.Close(); wg.Wait() })
	wg.Go(func() {
		b := make([]byte, 4096)
		for {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			r.asked <- bytes.Clone(b[:n])
			if out := reply(b[:n]); out != nil {
				_, _ = p.WriteTo(out, from)
			}
		}
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if q, err := readFramed(c); err == nil {
				r.asked <- q
				_, _ = c.Write(framed(reply(q)))
			}
			c.Close()
		}
	})
	return r
}

func resolvConf(t testing.TB, servers ...string) func(*Config) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	var b []byte
	for _, s := range servers {
		b = append(b, "nameserver "+s+"\n"...)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *Config) { c.ResolvConf = path }
}

// askInside sends a query from inside to the resolver that resolv.conf there
// names, and returns the response.
func askInside(t testing.TB, w *world, n *Netns, network string, q []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, n.Resolv(), 0o600); err != nil {
		t.Fatal(err)
	}
	servers, err := readResolvers(path)
	if err != nil || len(servers) != 1 {
		t.Fatal(servers, err)
	}
	kind := unix.SOCK_DGRAM
	if network == "tcp" {
		kind = unix.SOCK_STREAM
	}
	fd := -1
	if err := within(w.home, n.FD(), func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Port: 53, Addr: servers[0].Addr().As4()})
	}); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), network)
	c, err := net.FileConn(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if network == "tcp" {
		if _, err := c.Write(framed(q)); err != nil {
			t.Fatal(err)
		}
		out, err := readFramed(c)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if _, err := c.Write(q); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	k, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:k]
}

func TestNamesAreResolvedByTheHostsResolver(t *testing.T) {
	w := newWorld(t)
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			fake := newFakeResolver(t, "127.0.0.1", answerTo)
			m := newManager(t, resolvConf(t, "127.0.0.1"))
			n := acquire(t, m, true)
			q := question(4242)
			if got := askInside(t, w, n, network, q); !bytes.Equal(got, answerTo(q)) {
				t.Errorf("got % x", got)
			}
			if asked := <-fake.asked; !bytes.Equal(asked[2:], q[2:]) {
				t.Errorf("the resolver was asked % x", asked)
			}
		})
	}
}

func TestNextResolverIsAskedWhenOneFails(t *testing.T) {
	w := newWorld(t)
	newFakeResolver(t, "127.0.0.2", answerTo) // nothing listens on 127.0.0.9: refused at once
	m := newManager(t, resolvConf(t, "127.0.0.9", "127.0.0.2"))
	n := acquire(t, m, true)
	if got := askInside(t, w, n, "udp", question(1)); !bytes.Equal(got, answerTo(question(1))) {
		t.Errorf("got % x", got)
	}
}

func TestFailureIsSaidWhenNoResolverAnswers(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, resolvConf(t))
	n := acquire(t, m, true)
	got := askInside(t, w, n, "udp", question(7))
	if !answers(got, question(7)) || got[3]&0x0f != codeFailure {
		t.Errorf("got % x", got)
	}
}

func TestForgedAnswersAreIgnored(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, resolvConf(t, "127.0.0.1"))
	p, err := net.ListenPacket("udp4", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		k, from, err := p.ReadFrom(b)
		if err != nil {
			return
		}
		wrongID := answerTo(b[:k])
		wrongID[0] ^= 0xff
		wrongName := answerTo(b[:k])
		wrongName[headerSize+1] ^= 0x01
		for _, out := range [][]byte{wrongID, wrongName, {1, 2, 3}, answerTo(b[:k])} {
			_, _ = p.WriteTo(out, from)
		}
	}()
	n := acquire(t, m, true)
	if got := askInside(t, w, n, "udp", question(9)); !bytes.Equal(got, answerTo(question(9))) {
		t.Errorf("got % x", got)
	}
	<-done
}

func TestRelayIsForSandboxesOnly(t *testing.T) {
	w := newWorld(t)
	newFakeResolver(t, "127.0.0.1", answerTo)
	m := newManager(t, resolvConf(t, "127.0.0.1"))
	acquire(t, m, true)
	w.inside(t, m.gate.policy.gateway.String()+"/32", hostAddr)
	_, tcp := m.gate.relay.ports()
	to := netip.AddrPortFrom(m.gate.policy.gateway, tcp).String()
	for name, fd := range map[string]int{"the host": w.home, "the internet": w.fd} {
		if _, err := w.reachWithin(t, fd, to, 300*time.Millisecond); err == nil {
			t.Errorf("%s reaches the relay", name)
		}
	}
}

func TestOneSandboxCannotTakeAllSlots(t *testing.T) {
	s := newSlots(3, 2)
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	got := []bool{s.take(a), s.take(a), s.take(a), s.take(b), s.take(b)}
	if !slices.Equal(got, []bool{true, true, false, true, false}) {
		t.Error(got)
	}
	s.put(a)
	if !s.take(b) || s.take(a) {
		t.Error("a freed slot is not free for others")
	}
	s.put(a)
	s.put(b)
	s.put(b)
	if len(s.by) != 0 || s.total != 0 {
		t.Error(s.by, s.total)
	}
}

func FuzzRelayedMessages(f *testing.F) {
	f.Add(question(1), answerTo(question(1)))
	f.Add([]byte{}, []byte{0})
	f.Add(question(1)[:14], bytes.Repeat([]byte{0xc0}, 40))
	f.Fuzz(func(t *testing.T, q, a []byte) {
		if s := questionSection(q); s != nil && !bytes.HasPrefix(q[headerSize:], s) {
			t.Fatal("the question is not part of the message")
		}
		if len(q) < headerSize {
			return
		}
		if answers(a, q) && !bytes.Equal(a[:2], q[:2]) {
			t.Fatal("an answer to another question")
		}
		out := serverFailure(q)
		if !bytes.Equal(out[:2], q[:2]) || out[3]&0x0f != codeFailure || !answers(out, q) {
			t.Fatalf("% x is no failure for % x", out, q)
		}
		if len(withID(q, []byte{1, 2})) != len(q) {
			t.Fatal("the length changed")
		}
	})
}
