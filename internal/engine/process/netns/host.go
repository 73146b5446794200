package netns

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What this file does to the host, it does by name and can undo by name.

// dump lists things of the kernel, again if they changed meanwhile: starts and
// ends of sandboxes do that all the time. After the last attempt a list that
// may lack the newest things has to do.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	const attempts = 16
	for range attempts {
		out, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	out, err := list()
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		err = nil
	}
	return out, err
}

const sysctlIPv4 = "/proc/sys/net/ipv4/"

func forwardingFile(link string) string { return sysctlIPv4 + "conf/" + link + "/forwarding" }

// forwards reports whether a forwarding switch of the kernel is on.
func forwards(file string) (bool, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", file, err)
	}
	return !bytes.Equal(bytes.TrimSpace(b), []byte("0")), nil
}

// forwardsAll reports whether the whole host is a router already.
func forwardsAll() (bool, error) { return forwards(sysctlIPv4 + "ip_forward") }

func setForwarding(link string, on bool) error {
	v := []byte("0")
	if on {
		v = []byte("1")
	}
	if err := os.WriteFile(forwardingFile(link), v, 0); err != nil {
		return fmt.Errorf("setting forwarding of %s: %w", link, err)
	}
	return nil
}

// uplinks are the interfaces the host reaches other hosts through, and the
// smallest MTU among those with a default route.
type uplinks struct {
	names []string
	mtu   int
}

func findUplinks(n names) (uplinks, error) {
	links, err := dump(netlink.LinkList)
	if err != nil {
		return uplinks{}, fmt.Errorf("listing interfaces: %w", err)
	}
	routes, err := dump(func() ([]netlink.Route, error) { return netlink.RouteList(nil, unix.AF_INET) })
	if err != nil {
		return uplinks{}, fmt.Errorf("listing routes: %w", err)
	}
	byIndex := map[int]*netlink.LinkAttrs{}
	for _, l := range links {
		a := l.Attrs()
		if a.Flags&net.FlagLoopback == 0 && !strings.HasPrefix(a.Name, n.prefix) {
			byIndex[a.Index] = a
		}
	}
	up := uplinks{mtu: 1500}
	for _, r := range routes {
		hops := []int{r.LinkIndex}
		for _, h := range r.MultiPath {
			hops = append(hops, h.LinkIndex)
		}
		for _, i := range hops {
			a := byIndex[i]
			if a == nil {
				continue
			}
			up.names = append(up.names, a.Name)
			if isDefault(r) && a.MTU >= 576 {
				up.mtu = min(up.mtu, a.MTU)
			}
		}
	}
	slices.Sort(up.names)
	up.names = slices.Compact(up.names)
	return up, nil
}

func isDefault(r netlink.Route) bool {
	if r.Dst == nil {
		return true
	}
	bits, _ := r.Dst.Mask.Size()
	return bits == 0
}

// addGateway gives lo the gateway's address, with the server's label, unless
// it has it.
func addGateway(n names, a netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding lo: %w", err)
	}
	err = netlink.AddrAdd(lo, &netlink.Addr{
		IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(32, 32)},
		Label: n.label, Scope: unix.RT_SCOPE_HOST,
	})
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("adding the gateway address %s to lo: %w", a, err)
	}
	return nil
}

// removeGateways removes the addresses with the server's label and says how
// many there were.
func removeGateways(n names) (int, error) {
	addrs, err := gatewayAddrs(n)
	if err != nil || len(addrs) == 0 {
		return 0, err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return 0, fmt.Errorf("finding lo: %w", err)
	}
	for i := range addrs {
		if e := netlink.AddrDel(lo, &addrs[i]); e != nil && !errors.Is(e, unix.EADDRNOTAVAIL) {
			err = errors.Join(err, fmt.Errorf("removing the gateway address %s: %w", addrs[i].IP, e))
		}
	}
	return len(addrs), err
}

// removeLinks removes the host's ends of all pairs of this server, and with
// them the ends in the sandboxes. It says how many there were.
func removeLinks(n names) (int, error) {
	links, err := dump(netlink.LinkList)
	if err != nil {
		return 0, fmt.Errorf("listing interfaces: %w", err)
	}
	var ours []netlink.Link
	foreign := false
	for _, l := range links {
		switch mine := strings.HasPrefix(l.Attrs().Name, n.prefix); {
		case mine:
			ours = append(ours, l)
		case l.Attrs().Group == n.group:
			foreign = true
		}
	}
	if len(ours) == 0 {
		return 0, nil
	}
	if !foreign {
		if err := removeGroup(n.group); err == nil {
			return len(ours), nil
		}
	}
	for _, l := range ours { // much slower: the kernel waits after each one
		if e := netlink.LinkDel(l); e != nil && !errors.Is(e, unix.ENODEV) && !errors.As(e, &netlink.LinkNotFoundError{}) {
			err = errors.Join(err, fmt.Errorf("removing %s: %w", l.Attrs().Name, e))
		}
	}
	return len(ours), err
}

// removeLink removes an interface, if there is one of that name.
func removeLink(name string) {
	if l, err := netlink.LinkByName(name); err == nil {
		_ = netlink.LinkDel(l)
	}
}

// removeGroup removes all interfaces of a group in one go.
func removeGroup(group uint32) error {
	r, err := openRtnl()
	if err != nil {
		return err
	}
	defer r.close()
	return r.do(newRequest("removing veth pairs", unix.RTM_DELLINK, unix.NLM_F_REQUEST,
		linkFlags(0, 0, 0), nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(group))))
}
