package netns

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// rtnl is a routing netlink socket that sends several requests in one system
// call: making a namespace takes eight requests, and the round trips would
// cost more than the kernel's work. It belongs to the network namespace of the
// thread that opened it, and to one goroutine at a time.
type rtnl struct{ fd int }

// rtnlTimeout bounds each wait for the kernel's answer, in seconds.
const rtnlTimeout = 5

func openRtnl() (rtnl, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return rtnl{}, fmt.Errorf("opening a routing socket: %w", err)
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: rtnlTimeout})
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1) // errors come without a copy of the request
	return rtnl{fd}, nil
}

func (r rtnl) close() { _ = unix.Close(r.fd) }

// request is one message and what to call it in an error.
type request struct {
	what string
	*nl.NetlinkRequest
}

func newRequest(what string, msg, flags int, data ...nl.NetlinkRequestData) request {
	q := request{what, nl.NewNetlinkRequest(msg, flags)}
	for _, d := range data {
		q.AddData(d)
	}
	return q
}

// do sends all requests at once and returns the first one's error that
// failed. The kernel works through them in order and does not stop at an
// error, so whatever was asked may have partly happened.
func (r rtnl) do(requests ...request) error { return r.send(requests, nil) }

func (r rtnl) send(requests []request, onLink func([]byte)) error {
	var out []byte
	for i, q := range requests {
		q.Seq = uint32(i + 1)
		if i == len(requests)-1 {
			q.Flags |= unix.NLM_F_ACK // errors are always reported; one acknowledgement ends the batch
		} else {
			q.Flags &^= unix.NLM_F_ACK
		}
		out = append(out, q.Serialize()...)
		for len(out)%unix.NLMSG_ALIGNTO != 0 {
			out = append(out, 0)
		}
	}
	if err := unix.Sendto(r.fd, out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("%s: %w", requests[0].what, err)
	}
	return r.answers(requests, onLink)
}

// linkState is what this package wants to know of a link.
type linkState struct {
	index int32
	up    bool // it transmits
}

// link asks for the one link that the data describes.
func (r rtnl) link(data ...nl.NetlinkRequestData) (linkState, error) {
	var s linkState
	q := newRequest("looking at a link", unix.RTM_GETLINK, unix.NLM_F_REQUEST, data...)
	err := r.send([]request{q}, func(b []byte) {
		if len(b) < unix.SizeofIfInfomsg {
			return
		}
		s.index = nl.DeserializeIfInfomsg(b).Index
		if attrs, err := nl.ParseRouteAttrAsMap(b[unix.SizeofIfInfomsg:]); err == nil {
			state := attrs[unix.IFLA_OPERSTATE].Value
			s.up = len(state) == 1 && state[0] == operUp
		}
	})
	if err == nil && s.index == 0 {
		err = fmt.Errorf("%s: %w", q.what, unix.ENODEV)
	}
	return s, err
}

// operUp is IF_OPER_UP (RFC 2863).
const operUp = 6

// answers reads until the last request is acknowledged. Links that come in
// between are shown to onLink.
func (r rtnl) answers(requests []request, onLink func([]byte)) error {
	var first error
	in := make([]byte, 16<<10)
	for {
		n, _, err := unix.Recvfrom(r.fd, in, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: waiting for the kernel: %w", requests[0].what, err)
		}
		for b := in[:n]; len(b) >= unix.SizeofNlMsghdr; {
			h := (*unix.NlMsghdr)(unsafe.Pointer(&b[0]))
			if int(h.Len) < unix.SizeofNlMsghdr || int(h.Len) > len(b) {
				break
			}
			if h.Type == unix.RTM_NEWLINK && onLink != nil {
				onLink(b[unix.SizeofNlMsghdr:h.Len])
			}
			if i := int(h.Seq) - 1; h.Type == unix.NLMSG_ERROR && h.Len >= unix.SizeofNlMsghdr+4 && i >= 0 && i < len(requests) {
				if e := int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:])); e != 0 && first == nil {
					first = fmt.Errorf("%s: %w", requests[i].what, unix.Errno(-e))
				}
				if i == len(requests)-1 {
					return first
				}
			}
			b = b[min(len(b), (int(h.Len)+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
		}
	}
}
