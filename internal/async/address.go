package async

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Callback says where results may go. Anybody who may call a function chooses
// where its result goes, so what is not reachable for everybody must be
// allowed by the operator.
type Callback struct {
	Self    netip.AddrPort // where this server listens: callbacks may go there; zero: they may not
	Allowed []netip.Prefix // networks besides public addresses; link-local ones and those of metadata services never are
	Timeout time.Duration  // from the connection to the last byte of the answer; default 30 s
	AtOnce  int            // under way over all functions; default 64
}

const maxCallback = 2048

// Check refuses addresses that results can never be sent to: what is not an
// http or https URL, and addresses that are not allowed. What a host's name
// stands for is looked at when it is used.
func (c *Callback) Check(address string) error {
	if len(address) > maxCallback {
		return fn.Errorf(fn.Invalid, "the address is longer than %d bytes", maxCallback)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fn.Errorf(fn.Invalid, "not the http or https URL of a host")
	}
	port := map[string]uint16{"http": 80, "https": 443}[u.Scheme]
	if text := u.Port(); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return fn.Errorf(fn.Invalid, "%q is not a port", text)
		}
		port = uint16(n)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return c.permit(netip.AddrPortFrom(ip, port))
	}
	return nil
}

// errAddress marks addresses that results must not go to: trying again does
// not help.
var errAddress = errors.New("callbacks must not go there")

// Metadata services of clouds outside the link-local networks.
var metadata = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("192.0.0.192"),
	netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("fd20:ce::254"),
}

// notPublic are networks that netip's own predicates do not know of.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b:1::/48"),
	// IPv6 that leads to IPv4, site-local, discard.
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
	netip.MustParsePrefix("fec0::/10"), netip.MustParsePrefix("100::/64"),
}

// translated holds IPv4 addresses in its last four bytes (RFC 6052).
var translated = netip.MustParsePrefix("64:ff9b::/96")

// permit refuses addresses results must not go to.
func (c *Callback) permit(to netip.AddrPort) error {
	ip := to.Addr().Unmap().WithZone("")
	if translated.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	never := ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || slices.Contains(metadata, ip)
	switch {
	case never:
		return fmt.Errorf("%w: %v is link-local, of a metadata service, or of no host", errAddress, ip)
	case c.self(ip, to.Port()), within(c.Allowed, ip):
		return nil
	case ip.IsLoopback() || ip.IsPrivate() || within(notPublic, ip):
		return fn.WithHint(fmt.Errorf("%w: %v is not a public address; async.callbackNetworks can allow it", errAddress, ip),
			"have the operator add its network to async.callbackNetworks")
	}
	return nil
}

// self reports whether this server listens at an address.
func (c *Callback) self(ip netip.Addr, port uint16) bool {
	if !c.Self.IsValid() || port != c.Self.Port() {
		return false
	}
	if at := c.Self.Addr().Unmap(); !at.IsUnspecified() {
		return ip == at
	}
	if ip.IsLoopback() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		p, err := netip.ParsePrefix(a.String())
		return err == nil && p.Addr().Unmap() == ip
	})
}

func within(list []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// gatewayNames are what OpenFaaS's gateway is called inside a cluster: users
// write them into callback addresses.
var gatewayNames = []string{"gateway", "gateway.openfaas", "gateway.openfaas.svc", "gateway.openfaas.svc.cluster.local"}

// ownAddress is where this server is reached from this host.
func (c *Callback) ownAddress() string {
	at := c.Self.Addr()
	if at.IsUnspecified() {
		at = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.AddrPortFrom(at, c.Self.Port()).String()
}
