package netns

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A world is what surrounds the private host: a namespace that plays the
// internet, joined to it by its uplink. It knows a route back to every
// sandbox, so that what does not work is refused, not lost.
type world struct {
	home, fd int
}

// Addresses of the world, all from ranges set aside for documentation,
// besides the metadata services, which have the addresses clouds give them.
const (
	hostAddr     = "192.0.2.1"
	internetAddr = "203.0.113.5"
	deniedAddr   = "203.0.113.66"
	metadataAddr = "169.254.169.254"
	alibabaAddr  = "100.100.100.200"
)

func newWorld(t testing.TB) *world {
	t.Helper()
	needRoot(t)
	w := &world{home: open(t, threadNS)}
	w.fd = w.attach(t, "up0", hostAddr, "192.0.2.2", internetAddr, deniedAddr, metadataAddr, alibabaAddr)
	w.route(t, "0.0.0.0/0", "192.0.2.2")
	w.route(t, "169.254.0.0/16", "192.0.2.2")
	return w
}

func open(t testing.TB, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// attach makes a namespace with the addresses inside, joined to the host by
// an interface of that name; everything goes back by way of the host.
func (w *world) attach(t testing.TB, name, host, gateway string, inside ...string) int {
	t.Helper()
	fd, err := unshared(w.home, func(fd int) error {
		if err := raise(); err != nil {
			return err
		}
		la := netlink.NewLinkAttrs()
		la.Name, la.Index = "eth0", 77 // unlike the other end's, or the kernel takes a second to notice the carrier
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: la, PeerName: name, PeerNamespace: netlink.NsFd(w.home)}); err != nil {
			return err
		}
		if err := configure("eth0", gateway+"/24", inside); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(host)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := configure(name, host+"/24", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if l, err := netlink.LinkByName(name); err == nil {
			_ = netlink.LinkDel(l)
		}
		unix.Close(fd)
	})
	return fd
}

func configure(link, cidr string, more []string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	for _, m := range more {
		cidr := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(m), Mask: net.CIDRMask(32, 32)}}
		if err := netlink.AddrAdd(l, cidr); err != nil {
			return err
		}
	}
	a, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	return errors.Join(netlink.AddrAdd(l, a), netlink.LinkSetUp(l))
}

func (w *world) route(t testing.TB, cidr, via string) {
	t.Helper()
	_, dst, err := net.ParseCIDR(cidr)
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.RouteAdd(&netlink.Route{Dst: dst, Gw: net.ParseIP(via)}); err != nil {
		t.Fatal(err)
	}
}

// listen opens a TCP listener in a namespace; it greets every connection with
// the address it came from.
func (w *world) listen(t testing.TB, fd int, at string) {
	t.Helper()
	ap := netip.MustParseAddrPort(at)
	s := -1
	err := within(w.home, fd, func() (err error) {
		if s, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return err
		}
		_ = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		return errors.Join(unix.Bind(s, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}), unix.Listen(s, 16))
	})
	if err != nil {
		t.Fatalf("listening on %s: %v", at, err)
	}
	f := os.NewFile(uintptr(s), "listener")
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, c.RemoteAddr().(*net.TCPAddr).IP.String())
			c.Close()
		}
	}()
}

// reach connects from a namespace and returns the greeting: who the other
// side thinks it is.
func (w *world) reach(t testing.TB, fd int, to string) (string, error) {
	t.Helper()
	return w.reachWithin(t, fd, to, 5*time.Second)
}

func (w *world) reachWithin(t testing.TB, fd int, to string, limit time.Duration) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	ap := netip.MustParseAddrPort(to)
	n := &Netns{m: &Manager{home: w.home}, fd: fd}
	c, err := n.dial(ctx, &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}, unix.AF_INET)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(limit))
	b, err := io.ReadAll(io.LimitReader(c, 64))
	return string(b), err
}

// mustReach fails the test unless to answers.
func (w *world) mustReach(t testing.TB, fd int, to string) string {
	t.Helper()
	who, err := w.reach(t, fd, to)
	if err != nil || who == "" {
		t.Fatalf("%s is out of reach: %q, %v", to, who, err)
	}
	return who
}

// mustBeRefused fails the test unless connecting to to fails at once.
func (w *world) mustBeRefused(t testing.TB, fd int, to string) {
	t.Helper()
	who, err := w.reach(t, fd, to)
	if err == nil {
		t.Fatalf("%s is within reach, it sees %q", to, who)
	}
	if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETUNREACH) {
		t.Fatalf("%s: not refused but %v", to, err)
	}
}
