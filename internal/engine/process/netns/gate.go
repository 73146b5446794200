package netns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
)

// gate is the host's side of all sandboxes that may reach out: the gateway's
// address, the name relay, the firewall table and the forwarding switches.
type gate struct {
	names
	log   *slog.Logger
	relay *relay
	addrs *addresses

	mu     sync.Mutex
	policy policy // opened changes; guarded by mu
	mtu    int    // of new pairs; guarded by mu
	err    error  // why part of it does not work, e.g. forwarding; guarded by mu
}

// openGate puts the host's side in place. On an error nothing is left.
func openGate(ctx context.Context, cfg Config, n names) (*gate, error) {
	source := newResolvers(cfg.resolvConf())
	g, err := planGate(cfg, n, source)
	if err != nil {
		return nil, err
	}
	if _, err := removeGateways(n); err != nil {
		return nil, err
	}
	if err := addGateway(n, g.policy.gateway); err != nil {
		return nil, err
	}
	g.relay, err = openRelay(ctx, g.policy.gateway, source, g.log)
	if err == nil {
		g.policy.relayUDP, g.policy.relayTCP = g.relay.ports()
		err = g.refreshLocked(true)
	}
	if err != nil {
		return nil, errors.Join(err, g.close())
	}
	g.log.Info("sandbox networks are up", "subnet", g.policy.subnet, "forwarding_turned_on", g.policy.opened)
	return g, nil
}

// planGate decides on addresses; it changes nothing.
func planGate(cfg Config, n names, source *resolvers) (*gate, error) {
	taken, err := takenPrefixes(n, source.current())
	if err != nil {
		return nil, err
	}
	subnet, err := pickSubnet(cfg.subnet(), taken)
	if err != nil {
		return nil, err
	}
	g := &gate{names: n, log: cfg.log(), addrs: newAddresses(subnet)}
	g.policy = policy{
		names: n, subnet: subnet, gateway: nthAddr(subnet, 1), maxConnections: cfg.maxConnections(),
		refused: slices.Concat(refusedPrefixes(), []netip.Prefix{subnet}, cfg.Deny),
		opened:  recordedOpened(n),
	}
	return g, nil
}

// refresh brings the host's side back to what it should be: others may have
// flushed the firewall, an uplink may have come, or the host may have become
// a router in between.
func (g *gate) refresh() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refreshLocked(false)
}

func (g *gate) refreshLocked(install bool) error {
	if err := addGateway(g.names, g.policy.gateway); err != nil {
		return err
	}
	up, err := findUplinks(g.names)
	if err != nil {
		return err
	}
	g.mtu = up.mtu
	opened, closed, err := g.opening(up)
	g.err = err
	if !slices.Equal(opened, g.policy.opened) {
		g.policy.opened, install = opened, true
	}
	if install {
		err = g.policy.install()
	} else {
		err = g.guardLocked()
	}
	if err != nil {
		return err
	}
	for _, link := range closed { // only now: the table guards and remembers what is opened
		g.err = errors.Join(g.err, setForwarding(link, true))
	}
	return nil
}

// guard installs the firewall table again if it is not what it should be.
func (g *gate) guard() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.guardLocked()
}

func (g *gate) guardLocked() error {
	ok, err := g.policy.intact()
	if err != nil || ok {
		return err
	}
	g.log.Warn("the firewall table was changed by someone else; installing it again", "table", g.table)
	return g.policy.install()
}

// opening returns the interfaces whose forwarding is on because of us, and
// those of them where it has still to be turned on. When the whole host
// forwards, there are none: whoever turned that on decides.
func (g *gate) opening(up uplinks) (opened, closed []string, err error) {
	router, err := forwardsAll()
	if err != nil || router {
		return nil, nil, err
	}
	for _, link := range up.names {
		on, e := forwards(forwardingFile(link))
		if e != nil {
			err = errors.Join(err, e)
			continue
		}
		if !on {
			closed = append(closed, link)
		}
		if !on || slices.Contains(g.policy.opened, link) {
			opened = append(opened, link)
		}
	}
	return opened, closed, err
}

// state returns what of the gate changes, for checks.
func (g *gate) state() (opened []string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.policy.opened, g.err
}

// plan returns the pair for sandbox number n.
func (g *gate) plan(n uint32, home int, ipv6 bool) pair {
	g.mu.Lock()
	defer g.mu.Unlock()
	return pair{
		host: g.link(n), addr: g.addrs.at(n), gateway: g.policy.gateway,
		mtu: g.mtu, group: g.group, home: home, ipv6: ipv6,
	}
}

// close removes everything the gate put on the host. Sandboxes that still
// run lose their network first.
func (g *gate) close() error {
	if g.relay != nil {
		g.relay.close()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _, err := removeAll(g.names, g.policy.opened)
	return err
}

// removeAll undoes what a server did to this host and counts the interfaces
// and other things it found.
func removeAll(n names, opened []string) (links, others int, err error) {
	links, err = removeLinks(n)
	router, e := forwardsAll()
	err = errors.Join(err, e)
	for _, link := range opened {
		if on, e := forwards(forwardingFile(link)); e != nil || !on || router {
			continue // gone, off already, or no longer ours to turn off
		}
		others++
		err = errors.Join(err, setForwarding(link, false))
	}
	found, e := removeTable(n)
	if err = errors.Join(err, e); found {
		others++
	}
	gateways, e := removeGateways(n)
	if err = errors.Join(err, e); err != nil {
		err = fmt.Errorf("removing sandbox networks: %w", err)
	}
	return links, others + gateways, err
}
