package netns

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Netns is the network of one sandbox. All methods may be called from several
// goroutines at once.
type Netns struct {
	m      *Manager
	on     bool   // the function may reach out
	gate   *gate  // the host's side; nil if there is none
	number uint32 // of its address, if gate is not nil

	mu sync.RWMutex // held for reading while a thread enters
	fd int          // -1: the host's network, or released; guarded by mu
}

// FD returns the descriptor of the namespace, to be entered with setns; it is
// closed on exec. -1 means the sandbox stays in the host's network: this
// host lets us make no other. It is valid until Release.
func (n *Netns) FD() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.fd
}

// Resolv returns what /etc/resolv.conf should say inside.
func (n *Netns) Resolv() []byte {
	switch {
	case n.gate != nil:
		return []byte("nameserver " + n.gate.addrs.at(1).String() + "\n")
	case n.on && n.m.home < 0: // it lives in the host's network
		if b, err := os.ReadFile(n.m.cfg.resolvConf()); err == nil {
			return b
		}
	}
	return []byte("# no network\n")
}

// Release destroys the network once the last process in it is gone: the
// kernel does that by itself, in the background. Idempotent.
func (n *Netns) Release() {
	if !n.destroy() {
		return
	}
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	delete(n.m.inUse, n)
}

// destroy gives up the namespace and says whether this call did.
func (n *Netns) destroy() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fd < 0 {
		return false
	}
	_ = unix.Close(n.fd)
	n.fd = -1
	if n.gate != nil {
		n.gate.addrs.put(n.number)
	}
	return true
}
