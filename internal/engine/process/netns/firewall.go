package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"golang.org/x/sys/unix"
)

// refusedPrefixes are never reached by a function. Link-local is where clouds
// keep their metadata services; the single addresses are those of clouds that
// keep them elsewhere.
func refusedPrefixes() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4",
		"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// policy is what the firewall table of a server says.
type policy struct {
	names
	subnet         netip.Prefix
	gateway        netip.Addr
	relayUDP       uint16 // where the relay listens on the gateway's address
	relayTCP       uint16
	refused        []netip.Prefix
	maxConnections uint32 // of one sandbox; 0: unbounded
	opened         []string
}

// Names within the table.
const (
	setRefused     = "refused"     // destinations
	setOpened      = "opened"      // interfaces whose forwarding we turned on; also the record of it
	setConnections = "connections" // by source
	chainForward   = "forward"
)

func (n names) nftTable() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyINet, Name: n.table}
}

// install replaces this server's table in one transaction: there is no moment
// without it.
func (p policy) install() error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("opening nftables: %w", err)
	}
	t := p.nftTable()
	c.AddTable(t) // so that deleting it cannot fail
	c.DelTable(t)
	c.AddTable(t)
	if err := p.sets(c, t); err != nil {
		return err
	}
	p.chains(c, t)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("installing the firewall table %s: %w", p.table, err)
	}
	return nil
}

// The set ids of one transaction. The library numbers them by a global
// counter otherwise.
const (
	idRefused = iota + 1
	idOpened
	idConnections
)

func (p policy) sets(c *nftables.Conn, t *nftables.Table) error {
	refused := &nftables.Set{Table: t, ID: idRefused, Name: setRefused, KeyType: nftables.TypeIPAddr, Interval: true}
	opened := openedSet(t)
	var members []nftables.SetElement
	for _, name := range p.opened {
		members = append(members, nftables.SetElement{Key: ifname(name)})
	}
	err := errors.Join(c.AddSet(refused, intervals(p.refused)), c.AddSet(opened, members))
	if p.maxConnections > 0 {
		err = errors.Join(err, c.AddSet(&nftables.Set{
			Table: t, ID: idConnections, Name: setConnections, KeyType: nftables.TypeIPAddr, Dynamic: true, Size: 1 << 16,
		}, nil))
	}
	if err != nil {
		return fmt.Errorf("describing the sets of %s: %w", p.table, err)
	}
	return nil
}

func openedSet(t *nftables.Table) *nftables.Set {
	return &nftables.Set{Table: t, ID: idOpened, Name: setOpened, KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian}
}

func (p policy) chains(c *nftables.Conn, t *nftables.Table) {
	accept := nftables.ChainPolicyAccept
	base := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, prio *nftables.ChainPriority) func(...rule) {
		ch := c.AddChain(&nftables.Chain{Name: name, Table: t, Type: kind, Hooknum: hook, Priority: prio, Policy: &accept})
		return p.adder(c, t, ch)
	}
	refuse := p.adder(c, t, c.AddChain(&nftables.Chain{Name: chainRefuse, Table: t}))
	outgoing := p.adder(c, t, c.AddChain(&nftables.Chain{Name: chainOutgoing, Table: t}))

	refuse(
		all(tcp(), resetConnection()),
		all(notUnicast(), drop()),
		all(refuseAdmin()))
	base("source", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityRaw)(
		all(fromSandbox(p.prefix), ipv6(), drop()),
		all(fromSandbox(p.prefix), sourceNotBehind(), drop()))
	base("names", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)(
		all(fromSandbox(p.prefix), to(p.gateway), udp(), toPort(53), redirect(p.gateway, p.relayUDP)),
		all(fromSandbox(p.prefix), to(p.gateway), tcp(), toPort(53), redirect(p.gateway, p.relayTCP)))
	base("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)(
		all(fromSandbox(p.prefix), to(p.gateway), udp(), toPort(p.relayUDP), accepted()),
		all(fromSandbox(p.prefix), to(p.gateway), tcp(), toPort(p.relayTCP), accepted()),
		all(fromSandbox(p.prefix), jump(chainRefuse)),
		all(to(p.gateway), drop()))
	base(chainForward, nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)(
		all(fromSandbox(p.prefix), jump(chainOutgoing)),
		all(toSandbox(p.prefix), established(), accepted()),
		all(toSandbox(p.prefix), drop()),
		all(fromOpened(), notEstablished(), drop()))
	outgoing(
		all(toSandbox(p.prefix), jump(chainRefuse)),
		all(toRefused(), jump(chainRefuse)))
	if p.maxConnections > 0 {
		outgoing(all(newConnection(), moreThan(p.maxConnections), jump(chainRefuse)))
	}
	outgoing(all(accepted()))
	base("leaving", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)(
		all(from(p.subnet), notToSandbox(p.prefix), masquerade()))
}

func (p policy) adder(c *nftables.Conn, t *nftables.Table, ch *nftables.Chain) func(...rule) {
	return func(rules ...rule) {
		for _, r := range rules {
			c.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: r})
		}
	}
}

// intact reports whether the table is there with everything install put in.
func (p policy) intact() (bool, error) {
	c, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("opening nftables: %w", err)
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("listing chains: %w", err)
	}
	want := map[string]int{chainRefuse: 3, "source": 2, "names": 2, "input": 4, chainForward: 4, chainOutgoing: 3, "leaving": 1}
	if p.maxConnections > 0 {
		want[chainOutgoing]++
	}
	for _, ch := range chains {
		if ch.Table.Name != p.table {
			continue
		}
		rules, err := c.GetRules(ch.Table, ch)
		if err != nil || len(rules) != want[ch.Name] {
			return false, nil // it changed while we looked, or was changed: put it back
		}
		delete(want, ch.Name)
	}
	return len(want) == 0, nil
}

// removeTable removes a server's table and says whether there was one.
func removeTable(n names) (bool, error) {
	c, err := nftables.New()
	if err != nil {
		return false, fmt.Errorf("opening nftables: %w", err)
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("listing firewall tables: %w", err)
	}
	if !slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == n.table }) {
		return false, nil
	}
	c.DelTable(n.nftTable())
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return false, fmt.Errorf("removing the firewall table %s: %w", n.table, err)
	}
	return true, nil
}

// recordedOpened returns the interfaces whose forwarding a server turned on,
// as its table remembers them.
func recordedOpened(n names) []string {
	c, err := nftables.New()
	if err != nil {
		return nil
	}
	elements, err := c.GetSetElements(openedSet(n.nftTable()))
	if err != nil {
		return nil // no table, so nothing was opened
	}
	var out []string
	for _, e := range elements {
		out = append(out, unix.ByteSliceToString(e.Key))
	}
	return out
}

// intervals turns prefixes into the elements of an interval set: the first
// address of each stretch and the one after its last. Prefixes may overlap.
func intervals(prefixes []netip.Prefix) []nftables.SetElement {
	type stretch struct{ first, last uint32 }
	var all []stretch
	for _, p := range prefixes {
		if !p.Addr().Is4() {
			continue // sandboxes have no IPv6
		}
		b := p.Masked().Addr().As4()
		first := binary.BigEndian.Uint32(b[:])
		all = append(all, stretch{first, first | uint32(uint64(1)<<(32-p.Bits())-1)})
	}
	slices.SortFunc(all, func(a, b stretch) int { return int(int64(a.first) - int64(b.first)) })
	var merged []stretch
	for _, s := range all {
		if n := len(merged); n > 0 && uint64(s.first) <= uint64(merged[n-1].last)+1 {
			merged[n-1].last = max(merged[n-1].last, s.last)
			continue
		}
		merged = append(merged, s)
	}
	var out []nftables.SetElement
	for _, s := range merged {
		out = append(out, nftables.SetElement{Key: binary.BigEndian.AppendUint32(nil, s.first)})
		if s.last != ^uint32(0) {
			out = append(out, nftables.SetElement{Key: binary.BigEndian.AppendUint32(nil, s.last+1), IntervalEnd: true})
		}
	}
	return out
}
