package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Damping of wrong passwords, for each client address.
const (
	burst      = 10          // wrong passwords before the address must wait
	refill     = time.Second // then one more each
	maxClients = 4096        // addresses remembered
)

// Checker finds out who sent a request. Its methods may be called from
// several goroutines at once.
type Checker struct {
	accounts *Accounts
	now      func() time.Time

	mu     sync.Mutex
	misses map[netip.Addr]miss // client → its wrong passwords; at most maxClients; guarded by mu
}

// miss counts wrong passwords. It empties by one each refill.
type miss struct {
	count float64
	last  time.Time
}

// NewChecker makes a Checker. now may be nil: the system's clock.
func NewChecker(accounts *Accounts, now func() time.Time) *Checker {
	if now == nil {
		now = time.Now
	}
	return &Checker{accounts: accounts, now: now, misses: map[netip.Addr]miss{}}
}

// Identify returns who sent r: a stranger if it carries no credentials, an
// fn.Unauthenticated error if they are wrong, fn.Exhausted after too many
// wrong ones from the same address (right ones are refused too until it has
// waited, or guessing would go on).
func (c *Checker) Identify(r *http.Request) (Identity, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Identity{}, nil
	}
	client := clientOf(r.RemoteAddr)
	if c.blocked(client) {
		return Identity{}, fn.WithHint(fn.Errorf(fn.Exhausted, "too many wrong passwords from this address"),
			"wait some seconds, then try again with the right one")
	}
	id, ok := c.lookup(r, header)
	if !ok {
		c.missed(client)
		return Identity{}, fn.WithHint(fn.Errorf(fn.Unauthenticated, "wrong user or password"),
			"the password of user admin is in the file admin-password in the server's data folder")
	}
	return id, nil
}

func (c *Checker) lookup(r *http.Request, header string) (Identity, bool) {
	if len(header) > 4*maxPassword {
		return Identity{}, false
	}
	if name, password, ok := r.BasicAuth(); ok {
		return c.accounts.byName(name, password)
	}
	if scheme, token, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return c.accounts.byToken(strings.TrimSpace(token))
	}
	return Identity{}, false
}

func (c *Checker) blocked(client netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.countLocked(client) >= burst
}

// missed notes a wrong password. With every place taken by others, all are
// forgotten that have waited long enough; if none has, the new one is not
// noted: to fill the table costs an attacker as many addresses.
func (c *Checker) missed(client netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.countLocked(client)
	if _, known := c.misses[client]; !known && len(c.misses) >= maxClients {
		for other := range c.misses {
			if c.countLocked(other) == 0 {
				delete(c.misses, other)
			}
		}
		if len(c.misses) >= maxClients {
			return
		}
	}
	c.misses[client] = miss{count: n + 1, last: c.now()}
}

// countLocked returns the client's wrong passwords less what has drained.
func (c *Checker) countLocked(client netip.Addr) float64 {
	m, ok := c.misses[client]
	if !ok {
		return 0
	}
	return max(0, m.count-float64(c.now().Sub(m.last))/float64(refill))
}

// clientOf names the client of a connection: its IPv4 address, or the first
// half of its IPv6 one, which is what one customer gets.
func clientOf(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
