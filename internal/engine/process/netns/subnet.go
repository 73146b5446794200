package netns

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// pickSubnet returns want, or the first of the ranges tried after it, that
// overlaps nothing in taken.
func pickSubnet(want netip.Prefix, taken []netip.Prefix) (netip.Prefix, error) {
	if !want.Addr().Is4() || want.Bits() > 24 || want.Bits() < 8 {
		return netip.Prefix{}, fn.Errorf(fn.Invalid, "subnet %s: need an IPv4 prefix between /8 and /24", want)
	}
	candidates := []netip.Prefix{want}
	for second := byte(231); second < 255; second++ {
		candidates = append(candidates, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 0, 0}), 16))
	}
	for second := byte(31); second > 16; second-- {
		candidates = append(candidates, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, second, 0, 0}), 16))
	}
	for _, c := range candidates {
		if !overlapsAny(c, taken) {
			return c, nil
		}
	}
	return netip.Prefix{}, fn.WithHint(fn.Errorf(fn.Exhausted, "finding a free subnet for sandboxes: all of them overlap routes of this host"),
		"set a subnet that this host does not use")
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if o.Bits() > 0 && p.Overlaps(o) { // a default route overlaps everything
			return true
		}
	}
	return false
}

// takenPrefixes lists what the host's routes (all tables), addresses and
// resolvers use, besides what this server put there.
func takenPrefixes(n names, resolvers []netip.AddrPort) ([]netip.Prefix, error) {
	var taken []netip.Prefix
	links, err := dump(netlink.LinkList)
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	ours := map[int]bool{}
	for _, l := range links {
		ours[l.Attrs().Index] = strings.HasPrefix(l.Attrs().Name, n.prefix)
	}
	routes, err := dump(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return nil, fmt.Errorf("listing routes: %w", err)
	}
	old, err := gatewayAddrs(n)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if p, ok := prefixOf(r); ok && !ours[r.LinkIndex] && !containsAddr(old, p.Addr()) {
			taken = append(taken, p)
		}
	}
	for _, r := range resolvers {
		if r.Addr().Is4() {
			taken = append(taken, netip.PrefixFrom(r.Addr(), 32))
		}
	}
	return taken, nil
}

func containsAddr(addrs []netlink.Addr, a netip.Addr) bool {
	for _, x := range addrs {
		if ip, ok := netip.AddrFromSlice(x.IP); ok && ip.Unmap() == a {
			return true
		}
	}
	return false
}

func prefixOf(r netlink.Route) (netip.Prefix, bool) {
	if r.Dst == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(r.Dst.IP)
	bits, _ := r.Dst.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), ok
}

// gatewayAddrs returns the addresses on lo that bear this server's label.
func gatewayAddrs(n names) ([]netlink.Addr, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("finding lo: %w", err)
	}
	all, err := dump(func() ([]netlink.Addr, error) { return netlink.AddrList(lo, unix.AF_INET) })
	if err != nil {
		return nil, fmt.Errorf("listing the addresses of lo: %w", err)
	}
	var out []netlink.Addr
	for _, a := range all {
		if a.Label == n.label {
			out = append(out, a)
		}
	}
	return out, nil
}

// addresses hands out the addresses of a subnet in a circle, so that one is
// not used again before all others were.
type addresses struct {
	subnet netip.Prefix

	mu   sync.Mutex
	next uint32              // guarded by mu
	used map[uint32]struct{} // number → in use; guarded by mu
}

// firstAddress is the number of the first sandbox: 0 is the network, 1 the
// gateway, and the rest up to 15 are kept for probes.
const firstAddress = 16

func newAddresses(subnet netip.Prefix) *addresses {
	return &addresses{subnet: subnet, next: firstAddress, used: map[uint32]struct{}{}}
}

func (a *addresses) size() uint32 { return 1<<(32-a.subnet.Bits()) - 1 } // without the last one

// take returns the number of a free address.
func (a *addresses) take() (uint32, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for range a.size() {
		n := a.next
		if a.next++; a.next >= a.size() {
			a.next = firstAddress
		}
		if _, busy := a.used[n]; !busy {
			a.used[n] = struct{}{}
			return n, nil
		}
	}
	return 0, fn.Errorf(fn.Exhausted, "finding a free address for a sandbox: all of %s are in use", a.subnet)
}

func (a *addresses) put(n uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, n)
}

// at returns the n-th address of the subnet.
func (a *addresses) at(n uint32) netip.Addr { return nthAddr(a.subnet, n) }

func nthAddr(subnet netip.Prefix, n uint32) netip.Addr {
	b := subnet.Masked().Addr().As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}

// maxResolvConf bounds what is read of a resolver file, in bytes; more than
// three resolvers are never used by anyone.
const (
	maxResolvConf = 64 << 10
	maxResolvers  = 3
)

// readResolvers returns the resolvers a file in the format of resolv.conf
// names. No file means none.
func readResolvers(path string) ([]netip.AddrPort, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the host's resolvers: %w", err)
	}
	defer f.Close()
	var out []netip.AddrPort
	lines := bufio.NewScanner(io.LimitReader(f, maxResolvConf))
	for lines.Scan() && len(out) < maxResolvers {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if a, err := netip.ParseAddr(words[1]); err == nil {
			out = append(out, netip.AddrPortFrom(a, 53))
		}
	}
	return out, lines.Err()
}
