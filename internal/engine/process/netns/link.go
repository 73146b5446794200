package netns

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// insideIndex is the interface index of eth0 in a sandbox: lo is always 1.
const insideIndex = 2

// inside and outside are both ends of every pair. They carry the same
// hardware address and IFF_NOARP: on such a link the kernel addresses each
// frame with the sender's own address, so both ends accept it and nobody ever
// asks who has an address.
var hardware = net.HardwareAddr{0x02, 0x52, 0x6f, 0x75, 0x73, 0x65}

// pair says how a sandbox is joined to the host.
type pair struct {
	host    string     // interface name on the host's side
	addr    netip.Addr // inside
	gateway netip.Addr
	mtu     int
	group   uint32 // of the host's end, so that all can be removed in one go
	home    int    // the host's namespace
	ipv6    bool   // the kernel has IPv6, so the ends must be told not to make up addresses
}

// Kernel constants that x/sys does not have.
const (
	devconfForwarding = 1 // IPV4_DEVCONF_FORWARDING
	devconfRPFilter   = 8 // IPV4_DEVCONF_RP_FILTER
	addrGenModeNone   = 1 // IN6_ADDR_GEN_MODE_NONE
)

// raise brings lo up in the calling thread's namespace.
func raise() error {
	r, err := openRtnl()
	if err != nil {
		return err
	}
	defer r.close()
	return r.do(loUp())
}

func loUp() request {
	return newRequest("bringing up lo", unix.RTM_NEWLINK, unix.NLM_F_REQUEST, linkFlags(1, unix.IFF_UP, unix.IFF_UP))
}

func linkFlags(index int32, flags, mask uint32) *nl.IfInfomsg {
	m := nl.NewIfInfomsg(unix.AF_UNSPEC)
	m.Index, m.Flags, m.Change = index, flags, mask
	return m
}

// join makes the pair from inside the sandbox's namespace, where the calling
// thread is, and sets up the inner end. r belongs to that namespace.
func (p pair) join(r rtnl) error {
	up := uint32(unix.IFF_UP | unix.IFF_NOARP)
	requests := []request{p.create(), loUp()}
	if p.ipv6 {
		requests = append(requests, newRequest("keeping IPv6 off eth0", unix.RTM_SETLINK, unix.NLM_F_REQUEST,
			linkFlags(insideIndex, 0, 0), noIPv6(nl.NewRtAttr(unix.IFLA_AF_SPEC, nil))))
	}
	address := nl.NewIfAddrmsg(unix.AF_INET)
	address.Prefixlen, address.Index = 32, insideIndex
	route := nl.NewRtMsg()
	route.Family, route.Flags = unix.AF_INET, unix.RTNH_F_ONLINK
	requests = append(requests,
		newRequest("giving eth0 its address", unix.RTM_NEWADDR, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL,
			address, nl.NewRtAttr(unix.IFA_LOCAL, p.addr.AsSlice()), nl.NewRtAttr(unix.IFA_ADDRESS, p.addr.AsSlice())),
		newRequest("bringing up eth0", unix.RTM_SETLINK, unix.NLM_F_REQUEST, linkFlags(insideIndex, up, up)),
		newRequest("adding the default route", unix.RTM_NEWROUTE, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL,
			route, nl.NewRtAttr(unix.RTA_GATEWAY, p.gateway.AsSlice()), nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(insideIndex))))
	return r.do(requests...)
}

// create makes both ends: eth0 here, the other one in the host's namespace.
func (p pair) create() request {
	end := func(parent *nl.RtAttr, name string) {
		parent.AddRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(name))
		parent.AddRtAttr(unix.IFLA_MTU, nl.Uint32Attr(uint32(p.mtu)))
		parent.AddRtAttr(unix.IFLA_ADDRESS, hardware)
		parent.AddRtAttr(unix.IFLA_NUM_TX_QUEUES, nl.Uint32Attr(1))
		parent.AddRtAttr(unix.IFLA_NUM_RX_QUEUES, nl.Uint32Attr(1))
	}
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("veth"))
	peer := info.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.VETH_INFO_PEER, nil)
	nl.NewIfInfomsgChild(peer, unix.AF_UNSPEC)
	end(peer, p.host)
	peer.AddRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(p.group))
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(p.home)))

	own := nl.NewRtAttr(0, nil) // only a list: its children are added one by one
	end(own, "eth0")
	q := newRequest("making a veth pair", unix.RTM_NEWLINK, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL,
		linkFlags(insideIndex, 0, 0))
	q.AddRawData(own.Serialize()[unix.SizeofRtAttr:])
	q.AddData(info)
	return q
}

// attach sets up the host's end: strict reverse path filter, forwarding, no
// IPv6, and a route to the one address behind it. r belongs to the host's
// namespace.
func (p pair) attach(r rtnl) error {
	host, err := r.link(linkFlags(0, 0, 0), nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(p.host)))
	if err != nil {
		return err
	}
	index := host.index
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	conf := spec.AddRtAttr(unix.AF_INET, nil).AddRtAttr(unix.IFLA_INET_CONF, nil)
	conf.AddRtAttr(devconfForwarding, nl.Uint32Attr(1))
	conf.AddRtAttr(devconfRPFilter, nl.Uint32Attr(1))
	if p.ipv6 {
		noIPv6(spec)
	}
	up := uint32(unix.IFF_UP | unix.IFF_NOARP)
	route := nl.NewRtMsg()
	route.Family, route.Dst_len, route.Scope = unix.AF_INET, 32, unix.RT_SCOPE_LINK
	return r.do(
		newRequest("setting up "+p.host, unix.RTM_SETLINK, unix.NLM_F_REQUEST, linkFlags(index, 0, 0), spec),
		newRequest("bringing up "+p.host, unix.RTM_SETLINK, unix.NLM_F_REQUEST, linkFlags(index, up, up)),
		newRequest("adding the route to a sandbox", unix.RTM_NEWROUTE, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL,
			route, nl.NewRtAttr(unix.RTA_DST, p.addr.AsSlice()), nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index)))))
}

// ready waits until eth0 transmits. The kernel notices in the background that
// the other end has come up, and drops what is sent before; asking for the
// link's state makes it look at once (Linux 6.7), older ones are asked until
// they have. r belongs to the sandbox's namespace.
func ready(r rtnl) error {
	const tries, pause = 100, 200 * time.Microsecond
	for range tries {
		eth0, err := r.link(linkFlags(insideIndex, 0, 0))
		if err != nil || eth0.up {
			return err
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("waiting for eth0 of a sandbox: %w", unix.ETIMEDOUT)
}

// noIPv6 adds to the per-family settings spec that no address be made up.
func noIPv6(spec *nl.RtAttr) *nl.RtAttr {
	spec.AddRtAttr(unix.AF_INET6, nil).AddRtAttr(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{addrGenModeNone})
	return spec
}
