package netns

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// relay answers the sandboxes' questions for names by asking the host's
// resolvers, so that a sandbox needs to reach no resolver and sees no address
// of one. It listens on the gateway's address; the firewall lets only
// sandboxes talk to it. Answers pass through unchanged: what a function may
// reach is decided by address, later.
type relay struct {
	source *resolvers
	log    *slog.Logger
	packet *net.UDPConn
	stream *net.TCPListener
	cancel context.CancelFunc
	slots  *slots
	wg     sync.WaitGroup
}

// Limits of the relay.
const (
	relaySlots     = 256 // questions and connections at once
	relaySlotsEach = 32  // of them from one sandbox
	relayTimeout   = 2 * time.Second
	relayIdle      = 10 * time.Second // of a TCP connection between questions
	maxDatagram    = 4096             // bytes; larger answers are asked for by TCP
)

// openRelay listens on a and serves until close. ctx only lends its values:
// the relay outlives the call that needed it first.
func openRelay(ctx context.Context, a netip.Addr, source *resolvers, log *slog.Logger) (*relay, error) {
	packet, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		return nil, fmt.Errorf("listening for names on %s: %w", a, err)
	}
	stream, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		_ = packet.Close()
		return nil, fmt.Errorf("listening for names on %s: %w", a, err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &relay{source: source, log: log, packet: packet, stream: stream, cancel: cancel, slots: newSlots(relaySlots, relaySlotsEach)}
	r.wg.Go(func() { r.servePackets(ctx) })
	r.wg.Go(func() { r.serveStreams(ctx) })
	return r, nil
}

// ports returns where the relay listens.
func (r *relay) ports() (udp, tcp uint16) {
	return r.packet.LocalAddr().(*net.UDPAddr).AddrPort().Port(), r.stream.Addr().(*net.TCPAddr).AddrPort().Port()
}

func (r *relay) close() {
	r.cancel()
	_ = r.packet.Close()
	_ = r.stream.Close()
	r.wg.Wait()
}

func (r *relay) servePackets(ctx context.Context) {
	for {
		buf := make([]byte, maxDatagram)
		n, from, err := r.packet.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			return
		}
		if err != nil || n < headerSize || !r.slots.take(from.Addr()) {
			continue // a lost question is asked again
		}
		r.wg.Go(func() {
			defer r.slots.put(from.Addr())
			answer := r.ask(ctx, "udp", buf[:n])
			_, _ = r.packet.WriteToUDPAddrPort(answer, from)
		})
	}
}

func (r *relay) serveStreams(ctx context.Context) {
	for {
		c, err := r.stream.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return
		}
		if err != nil {
			continue
		}
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		if !r.slots.take(from) {
			_ = c.Close()
			continue
		}
		r.wg.Go(func() {
			defer r.slots.put(from)
			r.serveStream(ctx, c)
		})
	}
}

// serveStream answers one connection's questions, one after the other.
func (r *relay) serveStream(ctx context.Context, c *net.TCPConn) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	defer c.Close()
	for {
		_ = c.SetDeadline(time.Now().Add(relayIdle))
		question, err := readFramed(c)
		if err != nil || len(question) < headerSize {
			return
		}
		if _, err := c.Write(framed(r.ask(ctx, "tcp", question))); err != nil {
			return
		}
	}
}

// ask passes a question to the resolvers in turn and returns the first
// answer, or one that says the server failed. Only the id of the question is
// changed on the way, and back in the answer.
func (r *relay) ask(ctx context.Context, network string, question []byte) []byte {
	for _, server := range r.source.current() {
		answer, err := exchange(ctx, network, server, question)
		if err == nil {
			return answer
		}
		if ctx.Err() != nil {
			break
		}
		r.log.Debug("a resolver did not answer", "resolver", server, "error", err)
	}
	return serverFailure(question)
}

func exchange(ctx context.Context, network string, server netip.AddrPort, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	sent := withID(question, randomID())
	if network == "tcp" {
		if _, err := c.Write(framed(sent)); err != nil {
			return nil, err
		}
		answer, err := readFramed(c)
		if err != nil || !answers(answer, sent) {
			return nil, fmt.Errorf("reading an answer: %w", orBroken(err))
		}
		return withID(answer, question[:2]), nil
	}
	if _, err := c.Write(sent); err != nil {
		return nil, err
	}
	buf := make([]byte, maxDatagram)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return nil, err
		}
		if answers(buf[:n], sent) { // anything else is late or forged
			return withID(buf[:n], question[:2]), nil
		}
	}
}

func orBroken(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

// slots counts what is under way, in all and for each sandbox.
type slots struct {
	limit, each int

	mu    sync.Mutex
	total int                // guarded by mu
	by    map[netip.Addr]int // sandbox address → under way, never 0; guarded by mu
}

func newSlots(limit, each int) *slots {
	return &slots{limit: limit, each: each, by: map[netip.Addr]int{}}
}

func (s *slots) take(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= s.limit || s.by[a] >= s.each {
		return false
	}
	s.total++
	s.by[a]++
	return true
}

func (s *slots) put(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.by[a]--; s.by[a] == 0 {
		delete(s.by, a)
	}
}
