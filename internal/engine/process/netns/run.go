package netns

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Pace of the background work.
const (
	settle     = 15 * time.Millisecond // spares are made only after nobody took one for this long
	settleMax  = 250 * time.Millisecond
	pauseMin   = 5 * time.Millisecond // between two spares, and at least three times what the last one took
	lookAround = 10 * time.Second     // at the host's routes and switches
)

// Run keeps spares ready and the host's side in order until ctx ends. It
// always returns nil.
func (m *Manager) Run(ctx context.Context) error {
	if m.home < 0 {
		<-ctx.Done()
		return nil
	}
	stop := m.watchFirewall(m.guard)
	defer stop()
	_, _ = m.openGate(ctx) // its error is kept for Checks
	m.guard()              // what changed before we watched
	m.refill(ctx)
	tick := time.NewTicker(lookAround)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.kick:
			m.refill(ctx)
		case <-tick.C:
			m.look(ctx)
		}
	}
}

// guard puts the firewall table back if someone changed it.
func (m *Manager) guard() {
	m.gateMu.Lock()
	defer m.gateMu.Unlock()
	if m.gate == nil {
		return
	}
	if err := m.gate.guard(); err != nil {
		m.log.Error("cannot put the firewall of sandbox networks back", "error", err)
	}
}

// look repairs the host's side, or tries again to put it in place.
func (m *Manager) look(ctx context.Context) {
	m.gateMu.Lock()
	defer m.gateMu.Unlock()
	if m.isClosed() {
		return
	}
	if m.gate == nil {
		_, _ = m.tryGateLocked(ctx) // logged and kept for Checks
		return
	}
	if err := m.gate.refresh(); err != nil {
		m.log.Error("cannot keep the host's side of sandbox networks in order", "error", err)
	}
}

// refill makes spares, one at a time and only while the server is otherwise
// quiet, until there are enough.
func (m *Manager) refill(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	began := time.Now()
	for {
		on, want := m.missing(ctx)
		if !want {
			return
		}
		pause := time.Duration(0)
		if busy := m.busy(began); busy > 0 {
			pause = busy
		} else {
			t := time.Now()
			if !m.stock(ctx, on) {
				return
			}
			pause = max(pauseMin, 3*time.Since(t))
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// busy returns how long to wait for starts to settle; 0: not at all. It gives
// up waiting after settleMax, or a steady stream would never find a spare.
func (m *Manager) busy(began time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(began) > settleMax {
		return 0
	}
	return settle - time.Since(m.taken)
}

// missing says which kind of spare to make next.
func (m *Manager) missing(ctx context.Context) (on, want bool) {
	reachOut := false
	if m.cfg.spares(true) > 0 {
		_, err := m.openGate(ctx)
		reachOut = err == nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed || ctx.Err() != nil:
		return false, false
	case reachOut && len(m.spares[true]) < m.cfg.spares(true):
		return true, true
	case len(m.spares[false]) < m.cfg.spares(false):
		return false, true
	}
	return false, false
}

// stock makes one spare and says whether it could.
func (m *Manager) stock(ctx context.Context, on bool) bool {
	if !m.enter() {
		return false
	}
	defer m.users.Done()
	n, err := m.build(ctx, on)
	if err != nil {
		m.log.Warn("cannot make a spare sandbox network", "error", err)
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || on && n.gate == nil {
		n.destroy()
		return false
	}
	m.spares[on] = append(m.spares[on], n)
	return true
}

// watchFirewall calls changed whenever someone may have changed the host's
// firewall, from a goroutine that stop ends: flushing it would open what
// functions may reach.
func (m *Manager) watchFirewall(changed func()) (stop func()) {
	f, err := subscribe()
	if err != nil {
		m.log.Warn("changes of the host's firewall are only noticed after a while", "error", err)
		return func() {}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			if _, err := f.Read(buf); err != nil && !isOverrun(err) {
				return // closed by stop
			}
			changed()
		}
	})
	return func() { _ = f.Close(); wg.Wait() }
}

// groupFirewall is the multicast group of nftables changes, NFNLGRP_NFTABLES.
const groupFirewall = 7

func subscribe() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, groupFirewall)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "firewall changes"), nil
}

// isOverrun reports that changes came faster than they were read.
func isOverrun(err error) bool { return errors.Is(err, unix.ENOBUFS) }
