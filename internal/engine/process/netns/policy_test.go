package netns

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// targets are what no function may reach. Each has a listener that answers
// when the firewall table is away.
func (w *world) targets(t testing.TB, m *Manager, other *Netns) []string {
	t.Helper()
	for _, a := range []string{metadataAddr, alibabaAddr, deniedAddr, internetAddr} {
		w.listen(t, w.fd, a+":80")
	}
	w.listen(t, w.home, "0.0.0.0:8080")
	w.listen(t, other.FD(), "0.0.0.0:8080")
	return []string{
		metadataAddr + ":80", alibabaAddr + ":80", deniedAddr + ":80",
		hostAddr + ":8080", m.gate.policy.gateway.String() + ":8080",
		m.gate.addrs.at(other.number).String() + ":8080",
	}
}

func denyOne(c *Config) { c.Deny = []netip.Prefix{netip.MustParsePrefix(deniedAddr + "/32")} }

func TestFunctionReachesTheInternetByTheHostsAddress(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, nil)
	n := acquire(t, m, true)
	w.listen(t, w.fd, internetAddr+":80")
	if who := w.mustReach(t, n.FD(), internetAddr+":80"); who != hostAddr {
		t.Fatalf("the internet sees %s, want the host's %s", who, hostAddr)
	}
}

func TestFunctionReachesNothingItMustNot(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, denyOne)
	n, other := acquire(t, m, true), acquire(t, m, true)
	targets := w.targets(t, m, other)
	for _, to := range targets {
		t.Run(to, func(t *testing.T) { w.mustBeRefused(t, n.FD(), to) })
	}
	w.mustReach(t, n.FD(), internetAddr+":80")
}

// Without this test the one above could pass because the targets are down.
func TestWithoutTheTableEverythingIsWithinReach(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, denyOne)
	n, other := acquire(t, m, true), acquire(t, m, true)
	targets := w.targets(t, m, other)
	w.inside(t, "10.0.0.0/8", hostAddr) // nobody masquerades now
	if found, err := removeTable(m.names); err != nil || !found {
		t.Fatal(found, err)
	}
	for _, to := range targets {
		w.mustReach(t, n.FD(), to)
	}
	if err := m.gate.guard(); err != nil {
		t.Fatal(err)
	}
	for _, to := range targets {
		w.mustBeRefused(t, n.FD(), to)
	}
}

// inside adds a route in the internet's namespace.
func (w *world) inside(t testing.TB, cidr, via string) {
	t.Helper()
	if err := within(w.home, w.fd, func() error { w.route(t, cidr, via); return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestNobodyOutsideConnectsToAFunction(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, nil)
	n := acquire(t, m, true)
	w.listen(t, n.FD(), "0.0.0.0:8080")
	w.inside(t, "10.0.0.0/8", hostAddr)
	to := m.gate.addrs.at(n.number).String() + ":8080"
	if who, err := w.reachWithin(t, w.fd, to, 300*time.Millisecond); err == nil {
		t.Fatalf("the internet reached a function: %s", who)
	}
	if _, err := removeTable(m.names); err != nil {
		t.Fatal(err)
	}
	w.mustReach(t, w.fd, to) // so it was the table
}

func TestHostIsNoRouterForOthers(t *testing.T) {
	w := newWorld(t)
	lan := w.attach(t, "lan0", "198.51.100.1", "198.51.100.2", "198.51.100.9")
	w.listen(t, lan, "198.51.100.9:80")
	w.inside(t, "198.51.100.0/24", hostAddr)
	m := newManager(t, nil)
	n := acquire(t, m, true)
	w.mustReach(t, n.FD(), "198.51.100.9:80")
	if who, err := w.reachWithin(t, w.fd, "198.51.100.9:80", 300*time.Millisecond); err == nil {
		t.Fatalf("the host routes between its uplinks now: %s", who)
	}
	if _, err := removeTable(m.names); err != nil {
		t.Fatal(err)
	}
	w.mustReach(t, w.fd, "198.51.100.9:80") // so it was the table
}

func TestFunctionHasNoIPv6(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, nil)
	n := acquire(t, m, true)
	check := func(name string) {
		l, err := netlink.LinkByName(name)
		if err != nil {
			t.Error(err)
			return
		}
		addrs, err := netlink.AddrList(l, unix.AF_INET6)
		if err != nil || len(addrs) != 0 {
			t.Errorf("%s has IPv6 addresses %v, %v", name, addrs, err)
		}
	}
	check(m.names.link(n.number))
	if err := within(w.home, n.FD(), func() error { check("eth0"); return nil }); err != nil {
		t.Fatal(err)
	}
}

// A packet with a source that is not the sandbox's does not get through, even
// from someone who may make one.
func TestForgedSourceIsDropped(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, nil)
	n, other := acquire(t, m, true), acquire(t, m, true)
	var c net.PacketConn
	if err := within(w.home, w.fd, func() (err error) {
		c, err = net.ListenPacket("udp4", internetAddr+":99")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func(source netip.Addr, text string) {
		err := within(w.home, n.FD(), func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TRANSPARENT, 1); err != nil {
				return err
			}
			if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: source.As4()}); err != nil {
				return err
			}
			return unix.Sendto(fd, []byte(text), 0, &unix.SockaddrInet4{Port: 99, Addr: netip.MustParseAddr(internetAddr).As4()})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	send(m.gate.addrs.at(other.number), "forged")
	send(netip.MustParseAddr("198.51.100.77"), "forged")
	send(m.gate.addrs.at(n.number), "honest")
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 64)
	k, _, err := c.ReadFrom(b)
	if err != nil || string(b[:k]) != "honest" {
		t.Fatalf("got %q, %v", b[:k], err)
	}
}

func TestConnectionsOfOneSandboxAreBounded(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, func(c *Config) { c.MaxConnections = 3 })
	n, other := acquire(t, m, true), acquire(t, m, true)
	w.listen(t, w.fd, internetAddr+":80")
	refused := 0
	for range 12 { // ended connections count until the kernel forgets them
		if _, err := w.reach(t, n.FD(), internetAddr+":80"); err != nil {
			refused++
		}
	}
	if refused == 0 || refused == 12 {
		t.Fatalf("%d of 12 connections refused", refused)
	}
	w.mustReach(t, other.FD(), internetAddr+":80")
}

func TestSwitchedOffMeansNothingIsWithinReach(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, denyOne)
	other := acquire(t, m, true)
	targets := append(w.targets(t, m, other), internetAddr+":80")
	n := acquire(t, m, false)
	for _, to := range targets {
		w.mustBeRefused(t, n.FD(), to)
	}
	w.listen(t, n.FD(), "127.0.0.1:8080")
	w.mustReach(t, n.FD(), "127.0.0.1:8080") // but itself
	if got := string(n.Resolv()); got != "# no network\n" {
		t.Errorf("resolv.conf says %q", got)
	}
}

func TestFlushedFirewallComesBack(t *testing.T) {
	w := newWorld(t)
	m := newManager(t, nil)
	n := acquire(t, m, true)
	w.listen(t, w.fd, metadataAddr+":80")
	changed := make(chan struct{}, 64)
	defer m.watchFirewall(func() {
		select {
		case changed <- struct{}{}:
		default: // more of them tell nothing new
		}
	})()
	run(t, m)
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	c.FlushRuleset()
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for ok := false; !ok; {
		select {
		case <-changed:
			if ok, err = m.gate.policy.intact(); err != nil {
				t.Fatal(err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("the table did not come back")
		}
	}
	w.mustBeRefused(t, n.FD(), metadataAddr+":80")
}

// run runs the manager until the test ends.
func run(t testing.TB, m *Manager) {
	t.Helper()
	ctx, cancel := contextWithCancel(t)
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestIntervalsCoverWhatThePrefixesDo(t *testing.T) {
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for _, c := range []struct {
		name string
		in   []netip.Prefix
		want []string // first addresses; a trailing ! is the end of a stretch
	}{
		{"one", prefixes("10.0.0.0/8"), []string{"10.0.0.0", "11.0.0.0!"}},
		{"nested", prefixes("10.0.0.0/8", "10.1.0.0/16"), []string{"10.0.0.0", "11.0.0.0!"}},
		{"touching", prefixes("10.1.0.0/16", "10.0.0.0/16"), []string{"10.0.0.0", "10.2.0.0!"}},
		{"to the end", prefixes("224.0.0.0/4", "240.0.0.0/4"), []string{"224.0.0.0"}},
		{"one address", prefixes("192.0.2.7/32"), []string{"192.0.2.7", "192.0.2.8!"}},
		{"not masked", prefixes("192.0.2.7/24"), []string{"192.0.2.0", "192.0.3.0!"}},
		{"other family", prefixes("fd00::/8"), nil},
	} {
		var got []string
		for _, e := range intervals(c.in) {
			s := net.IP(e.Key).String()
			if e.IntervalEnd {
				s += "!"
			}
			got = append(got, s)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
