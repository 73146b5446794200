package netns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// Manager makes, keeps ready and destroys the networks of one server's
// sandboxes. All methods may be called from several goroutines at once.
type Manager struct {
	cfg   Config
	names names
	log   *slog.Logger
	ipv6  bool          // the kernel has IPv6
	home  int           // the server's own namespace; -1 if none can be made on this host
	why   error         // why home is -1
	kick  chan struct{} // tells Run that a spare was taken; holds one

	mu     sync.Mutex
	spares map[bool][]*Netns   // with or without outside network → ready ones; guarded by mu
	inUse  map[*Netns]struct{} // acquired and not released; guarded by mu
	taken  time.Time           // when the last one was acquired; guarded by mu
	closed bool                // guarded by mu
	users  sync.WaitGroup      // calls that enter namespaces; Close waits for them

	gateMu  sync.Mutex
	gate    *gate // nil until the first function may reach out; guarded by gateMu
	gateErr error // why it is nil although it was wanted; guarded by gateMu
}

// New looks at what this host allows by doing it. It does not fail because
// the host lacks something: then Acquire gives less and Checks say what.
func New(cfg Config) (*Manager, error) {
	if cfg.ServerID == "" {
		return nil, fn.Errorf(fn.Invalid, "making sandbox networks: no server id")
	}
	m := &Manager{
		cfg: cfg, names: namesOf(cfg.ServerID), log: cfg.log().With("component", "netns"), home: -1,
		kick: make(chan struct{}, 1), spares: map[bool][]*Netns{}, inUse: map[*Netns]struct{}{},
	}
	m.cfg.Log = m.log
	_, err := os.Stat("/proc/net/if_inet6")
	m.ipv6 = err == nil
	home, err := unix.Open(threadNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		m.why = fmt.Errorf("opening this server's network namespace: %w", err)
		return m, nil
	}
	probe, err := unshared(home, func(int) error { return raise() })
	if err != nil {
		_ = unix.Close(home)
		m.why = err
		return m, nil
	}
	m.home = home
	if m.cfg.spares(false) == 0 {
		return m, unix.Close(probe)
	}
	m.spares[false] = append(m.spares[false], &Netns{m: m, fd: probe})
	return m, nil
}

// Acquire returns a network for one sandbox: a spare if there is one. on says
// whether the function may reach out. If the host cannot give that, the
// network has lo only; Checks say why. Errors wrap Exhausted, Unavailable
// (after Close) or Internal.
func (m *Manager) Acquire(ctx context.Context, on bool) (*Netns, error) {
	if m.home < 0 {
		return &Netns{m: m, fd: -1, on: on}, nil
	}
	n, err := m.spare(on)
	if n != nil || err != nil {
		return n, err
	}
	if !m.enter() {
		return nil, errClosed()
	}
	defer m.users.Done()
	if err := ctx.Err(); err != nil {
		return nil, fn.Errorf(fn.Canceled, "making a sandbox network: %w", context.Cause(ctx))
	}
	if n, err = m.build(ctx, on); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		n.destroy()
		return nil, errClosed()
	}
	m.inUse[n] = struct{}{}
	return n, nil
}

func errClosed() error {
	return fn.Errorf(fn.Unavailable, "making a sandbox network: the server is stopping")
}

// enter says whether the manager is open, and keeps Close waiting until
// users.Done.
func (m *Manager) enter() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.users.Add(1)
	}
	return !m.closed
}

// spare hands out a ready namespace; nil if there is none.
func (m *Manager) spare(on bool) (*Netns, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed()
	}
	m.taken = time.Now()
	select {
	case m.kick <- struct{}{}:
	default: // Run will look anyway
	}
	l := m.spares[on]
	if len(l) == 0 {
		return nil, nil
	}
	n := l[len(l)-1]
	m.spares[on] = l[:len(l)-1]
	m.inUse[n] = struct{}{}
	return n, nil
}

// build makes a namespace of either kind.
func (m *Manager) build(ctx context.Context, on bool) (*Netns, error) {
	if on {
		if g, err := m.openGate(ctx); err == nil {
			return m.buildOn(g)
		}
	}
	fd, err := unshared(m.home, func(int) error { return raise() })
	if err != nil {
		return nil, m.failed(err)
	}
	return &Netns{m: m, fd: fd, on: on}, nil
}

// attempts is how often another address is tried when one still has a route:
// its last sandbox's processes may hold on to it.
const attempts = 8

func (m *Manager) buildOn(g *gate) (*Netns, error) {
	var err error
	for range attempts {
		var number uint32
		if number, err = g.addrs.take(); err != nil {
			return nil, err
		}
		p := g.plan(number, m.home, m.ipv6)
		var fd int
		if fd, err = m.connected(p, nil); err == nil {
			return &Netns{m: m, fd: fd, on: true, gate: g, number: number}, nil
		}
		g.addrs.put(number)
		if !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	return nil, m.failed(err)
}

// connected makes a namespace that is joined to the host by p, and runs more
// in it if that is not nil.
func (m *Manager) connected(p pair, more func() error) (int, error) {
	host, err := openRtnl()
	if err != nil {
		return -1, err
	}
	defer host.close()
	return unshared(m.home, func(int) error {
		inside, err := openRtnl()
		if err != nil {
			return err
		}
		defer inside.close()
		if err := p.join(inside); err != nil {
			return err
		}
		if err := p.attach(host); err != nil {
			return err
		}
		if err := ready(inside); err != nil || more == nil {
			return err
		}
		return more()
	})
}

// failed gives an error of the kernel its kind.
func (m *Manager) failed(err error) error {
	for _, full := range []error{unix.ENOSPC, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN} {
		if errors.Is(err, full) {
			return fn.Errorf(fn.Exhausted, "making a sandbox network: %w", err)
		}
	}
	return fn.Errorf(fn.KindOf(err), "making a sandbox network: %w", err)
}

// openGate returns the host's side, and puts it in place if it is not yet.
func (m *Manager) openGate(ctx context.Context) (*gate, error) {
	m.gateMu.Lock()
	defer m.gateMu.Unlock()
	if m.gate != nil || m.gateErr != nil {
		return m.gate, m.gateErr
	}
	return m.tryGateLocked(ctx)
}

func (m *Manager) tryGateLocked(ctx context.Context) (*gate, error) {
	if m.isClosed() {
		return nil, errClosed()
	}
	before := m.gateErr
	m.gate, m.gateErr = openGate(ctx, m.cfg, m.names)
	if m.gateErr != nil && before == nil {
		m.log.Warn("functions have no network: the host's side cannot be set up", "error", m.gateErr)
	}
	return m.gate, m.gateErr
}

func (m *Manager) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// Recover removes what a killed server of the same id left on the host:
// interfaces, firewall table, gateway address, forwarding switches. It returns
// how many interfaces there were. It must come before the first Acquire;
// later it is a Conflict.
func (m *Manager) Recover(context.Context) (int, error) {
	if m.home < 0 {
		return 0, nil
	}
	m.gateMu.Lock()
	defer m.gateMu.Unlock()
	if m.gate != nil { // Checks or Run were faster
		if !m.dropSpares() {
			return 0, fn.Errorf(fn.Conflict, "recovering sandbox networks: they are in use")
		}
		m.gate.relay.close()
		m.gate = nil
	}
	links, others, err := removeAll(m.names, recordedOpened(m.names))
	if links+others > 0 {
		m.log.Info("removed what an earlier server left", "interfaces", links, "others", others)
	}
	return links, err
}

// dropSpares destroys the spares and reports whether no sandbox is joined to
// the host then.
func (m *Manager) dropSpares() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := range m.inUse {
		if n.gate != nil {
			return false
		}
	}
	for _, n := range m.spares[true] {
		n.destroy()
	}
	m.spares[true] = nil
	return true
}

// Close destroys the spares and takes the network from sandboxes that still
// run, then removes everything from the host and restores its switches.
// Acquire fails from now on.
func (m *Manager) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	var all []*Netns
	for n := range m.inUse {
		all = append(all, n)
	}
	for _, l := range m.spares {
		all = append(all, l...)
	}
	m.spares = nil
	m.mu.Unlock()

	for _, n := range all {
		n.Release()
	}
	m.users.Wait()
	m.gateMu.Lock()
	defer m.gateMu.Unlock()
	var err error
	if m.gate != nil {
		err = m.gate.close()
		m.gate = nil
	}
	if m.home >= 0 {
		err = errors.Join(err, unix.Close(m.home))
	}
	return err
}
