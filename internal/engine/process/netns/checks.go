package netns

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
)

// Checks reports what this host gives sandboxes as networks, by doing it: it
// puts the host's side in place if nothing has yet, and sends a connection
// through it between two namespaces of its own.
func (m *Manager) Checks(ctx context.Context) []engine.Check {
	if m.home < 0 {
		return []engine.Check{{
			Name: "network namespaces", Detail: m.why.Error(),
			Fix: "run the server as root or give it CAP_SYS_ADMIN and CAP_NET_ADMIN; until then functions share the host's network unless it is switched off for them",
		}}
	}
	out := []engine.Check{{Name: "network namespaces", OK: true}}
	g, err := m.openGate(ctx)
	if err != nil {
		return append(out, engine.Check{
			Name: "function network", Detail: err.Error(),
			Fix: "functions have no network until this works: it needs CAP_NET_ADMIN, veth pairs and nftables (kernel 5.10 or later)",
		})
	}
	opened, gateErr := g.state()
	out = append(out,
		engine.Check{Name: "function network", OK: true, Detail: fmt.Sprintf("%s by way of %s, firewall table %s", g.policy.subnet, g.policy.gateway, g.table)},
		checkForwarding(opened, gateErr))
	if m.enter() {
		out = append(out, m.checkOutbound(ctx, g))
		m.users.Done()
	}
	return append(out, checkNames(g.relay.source.current()))
}

func checkForwarding(opened []string, err error) engine.Check {
	c := engine.Check{Name: "forwarding", OK: err == nil, Detail: "was on already"}
	switch {
	case err != nil:
		c.Detail = err.Error()
		c.Fix = "make /proc/sys writable for the server, or set net.ipv4.ip_forward=1 yourself"
	case len(opened) > 0:
		c.Detail = "turned on for " + strings.Join(opened, ", ") + "; nothing but functions' traffic passes, and it is turned off again when the server ends"
	}
	return c
}

func checkNames(resolvers []netip.AddrPort) engine.Check {
	c := engine.Check{Name: "name resolution", OK: len(resolvers) > 0}
	if !c.OK {
		c.Detail, c.Fix = "the host has no resolver", "name one in /etc/resolv.conf"
		return c
	}
	var list []string
	for _, r := range resolvers {
		list = append(list, r.Addr().String())
	}
	c.Detail = "relayed to " + strings.Join(list, ", ")
	return c
}

// probeTarget plays a host elsewhere: an address of the range set aside for
// tests of networks (RFC 2544), routed to a namespace of our own and nowhere
// else for the moment. Another server has another one.
func probeTarget(n names) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 19, byte(n.group >> 8), byte(n.group)})
}

const probeTimeout = time.Second

func (m *Manager) checkOutbound(ctx context.Context, g *gate) engine.Check {
	c := engine.Check{Name: "outbound connections"}
	if up, err := findUplinks(g.names); err == nil && len(up.names) == 0 {
		c.Detail, c.Fix = "this host has no route to other hosts", "connect it to a network"
		return c
	}
	if err := m.probeOutbound(ctx, g); err != nil {
		c.Detail = err.Error()
		if others := droppingChains(g.names); len(others) > 0 {
			c.Detail += "; other firewall chains drop forwarded packets: " + strings.Join(others, ", ")
		}
		c.Fix = fmt.Sprintf("let the host's firewall forward what comes from and goes to interfaces %[1]s*; with Docker: "+
			"iptables -I DOCKER-USER -i %[1]s+ -j ACCEPT and iptables -I DOCKER-USER -o %[1]s+ -j ACCEPT", g.prefix)
		return c
	}
	c.OK = true
	return c
}

// probeOutbound connects from a sandbox's network to one that plays a host
// elsewhere.
func (m *Manager) probeOutbound(ctx context.Context, g *gate) error {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("no answer within %s", probeTimeout))
	defer cancel()
	target := g.plan(0, m.home, m.ipv6)
	target.host, target.addr, target.group = "rp"+g.prefix[2:], probeTarget(g.names), 0
	listener := -1
	fd, err := m.connected(target, func() (err error) {
		listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return unix.Listen(listener, 1) // unbound: the kernel picks a port
	})
	if listener >= 0 {
		defer unix.Close(listener)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	defer removeLink(target.host) // at once: the next probe needs the route
	local, err := unix.Getsockname(listener)
	if err != nil {
		return err
	}
	from, err := m.buildOn(g)
	if err != nil {
		return err
	}
	defer from.destroy()
	conn, err := from.dial(ctx, &unix.SockaddrInet4{Port: local.(*unix.SockaddrInet4).Port, Addr: target.addr.As4()}, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("connecting from a sandbox to a host elsewhere: %w", err)
	}
	return conn.Close()
}

// droppingChains names the chains of other programs that drop forwarded
// packets by default.
func droppingChains(n names) []string {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	chains, err := c.ListChains()
	if err != nil {
		return nil
	}
	var out []string
	for _, ch := range chains {
		if ch.Table.Name != n.table && ch.Hooknum != nil && *ch.Hooknum == *nftables.ChainHookForward &&
			ch.Policy != nil && *ch.Policy == nftables.ChainPolicyDrop {
			out = append(out, ch.Table.Name+" "+ch.Name)
		}
	}
	return out
}
