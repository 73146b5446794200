package netns

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// rule is one firewall rule; the functions below are its words.
type rule = []expr.Any

// Chains that others jump to.
const (
	chainRefuse   = "refuse"
	chainOutgoing = "outgoing"
)

func all(parts ...rule) rule { return slices.Concat(parts...) }

// ifname is an interface name as the kernel compares it.
func ifname(name string) []byte {
	b := make([]byte, unix.IFNAMSIZ)
	copy(b, name)
	return b
}

func meta(key expr.MetaKey, op expr.CmpOp, data []byte) rule {
	return rule{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: data}}
}

// A comparison shorter than the name compares its beginning.
func fromSandbox(prefix string) rule { return meta(expr.MetaKeyIIFNAME, expr.CmpOpEq, []byte(prefix)) }
func toSandbox(prefix string) rule   { return meta(expr.MetaKeyOIFNAME, expr.CmpOpEq, []byte(prefix)) }
func notToSandbox(prefix string) rule {
	return meta(expr.MetaKeyOIFNAME, expr.CmpOpNeq, []byte(prefix))
}

func ipv4() rule { return meta(expr.MetaKeyNFPROTO, expr.CmpOpEq, []byte{unix.NFPROTO_IPV4}) }
func ipv6() rule { return meta(expr.MetaKeyNFPROTO, expr.CmpOpEq, []byte{unix.NFPROTO_IPV6}) }
func tcp() rule  { return meta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{unix.IPPROTO_TCP}) }
func udp() rule  { return meta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{unix.IPPROTO_UDP}) }

// notUnicast is broadcast and multicast, which nobody is told about.
func notUnicast() rule { return meta(expr.MetaKeyPKTTYPE, expr.CmpOpNeq, []byte{unix.PACKET_HOST}) }

// Offsets in an IPv4 header.
const (
	sourceAt      = 12
	destinationAt = 16
)

func address(offset uint32) rule {
	return append(ipv4(), &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4})
}

func to(a netip.Addr) rule {
	return append(address(destinationAt), &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: a.AsSlice()})
}

func from(p netip.Prefix) rule {
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
	return append(address(sourceAt),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Masked().Addr().AsSlice()})
}

func toRefused() rule {
	return append(address(destinationAt), &expr.Lookup{SourceRegister: 1, SetName: setRefused, SetID: idRefused})
}

func fromOpened() rule {
	return rule{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, &expr.Lookup{SourceRegister: 1, SetName: setOpened, SetID: idOpened}}
}

// sourceNotBehind matches a packet whose source has no route back through the
// interface it came from.
func sourceNotBehind() rule {
	return rule{
		&expr.Fib{Register: 1, FlagSADDR: true, FlagIIF: true, FlagPRESENT: true, ResultOIF: true},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0}},
	}
}

func toPort(port uint16) rule {
	return rule{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
	}
}

func state(bits uint32, op expr.CmpOp) rule {
	return rule{
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bits), Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: 1, Data: make([]byte, 4)},
	}
}

func established() rule {
	return state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED, expr.CmpOpNeq)
}

func notEstablished() rule {
	return state(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED, expr.CmpOpEq)
}
func newConnection() rule { return state(expr.CtStateBitNEW, expr.CmpOpNeq) }

// moreThan matches a source that has more than n connections.
func moreThan(n uint32) rule {
	return append(address(sourceAt), &expr.Dynset{
		SrcRegKey: 1, SetName: setConnections, SetID: idConnections, Operation: unix.NFT_DYNSET_OP_ADD,
		Exprs: []expr.Any{&expr.Connlimit{Count: n, Flags: expr.NFT_CONNLIMIT_F_INV}},
	})
}

func redirect(a netip.Addr, port uint16) rule {
	return rule{
		&expr.Immediate{Register: 1, Data: a.AsSlice()},
		&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2},
	}
}

func masquerade() rule       { return rule{&expr.Masq{}} }
func accepted() rule         { return rule{&expr.Verdict{Kind: expr.VerdictAccept}} }
func drop() rule             { return rule{&expr.Verdict{Kind: expr.VerdictDrop}} }
func jump(chain string) rule { return rule{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}} }

// A refused connection fails at once instead of timing out.
func resetConnection() rule { return rule{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}} }
func refuseAdmin() rule {
	return rule{&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}
}
