package netns

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"strconv"
)

// Config is what a Manager needs to know. The zero value of a field means its
// default.
type Config struct {
	// ServerID tells this server's interfaces and firewall table from those
	// of other servers on the host. It must be the same after a restart, or
	// Recover finds nothing, and no two running servers may share it.
	ServerID string

	// Subnet holds the sandboxes' addresses, at least /24 and IPv4; its first
	// address is the gateway. 10.231.0.0/16 if zero. If it overlaps a route,
	// an address or a resolver of this host, another one is taken.
	Subnet netip.Prefix

	// Spares is how many namespaces of functions that may reach out are kept
	// ready; 4 if zero, none if negative. Half as many without outside
	// network are kept.
	Spares int

	// Deny lists further destinations no function may reach.
	Deny []netip.Prefix

	// MaxConnections bounds the connections one sandbox may have with the
	// outside at once, so that it cannot fill the host's connection table;
	// 2048 if zero, unbounded if negative.
	MaxConnections int

	// ResolvConf is the file that names the host's resolvers, read again when
	// it changes; /etc/resolv.conf if empty.
	ResolvConf string

	Log *slog.Logger // discarded if nil
}

func (c Config) spares(on bool) int {
	n := c.Spares
	if n == 0 {
		n = 4
	}
	if !on {
		n = (n + 1) / 2
	}
	return max(n, 0)
}

func (c Config) subnet() netip.Prefix {
	if c.Subnet.IsValid() {
		return c.Subnet.Masked()
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 231, 0, 0}), 16)
}

func (c Config) maxConnections() uint32 {
	switch {
	case c.MaxConnections == 0:
		return 2048
	case c.MaxConnections < 0:
		return 0
	}
	return uint32(c.MaxConnections)
}

func (c Config) resolvConf() string {
	if c.ResolvConf == "" {
		return "/etc/resolv.conf"
	}
	return c.ResolvConf
}

func (c Config) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

// names are what a server calls its things on the host. They hold six
// hexadecimal digits of the server's id, because an interface name has at
// most 15 bytes.
type names struct {
	table  string // nftables table, family inet
	prefix string // of host-side interfaces
	label  string // of the gateway's address on lo
	group  uint32 // of host-side interfaces
}

func namesOf(serverID string) names {
	sum := sha256.Sum256([]byte(serverID))
	key := hex.EncodeToString(sum[:3])
	return names{
		table:  "rouse_" + key,
		prefix: "rs" + key,
		label:  "lo:rs" + key,
		group:  0x52_000000 | uint32(sum[0])<<16 | uint32(sum[1])<<8 | uint32(sum[2]),
	}
}

// link returns the name of the n-th host-side interface.
func (n names) link(i uint32) string { return n.prefix + strconv.FormatUint(uint64(i), 36) }
