package netns

import (
	"bufio"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// leftovers lists what a server with these names has on the private host.
func leftovers(t testing.TB, n names) []string {
	t.Helper()
	var out []string
	links, err := dump(netlink.LinkList)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, n.prefix) || strings.HasPrefix(l.Attrs().Name, "rp") {
			out = append(out, l.Attrs().Name)
		}
	}
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := c.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		if table.Name == n.table {
			out = append(out, table.Name)
		}
	}
	addrs, err := gatewayAddrs(n)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

func TestCloseLeavesNothing(t *testing.T) {
	newWorld(t)
	m := newManager(t, func(c *Config) { c.Spares = 3 })
	for range 5 {
		acquire(t, m, true)
	}
	acquire(t, m, false)
	m.refill(t.Context())
	if got := readSwitch(t, forwardingFile("up0")); got != "1" {
		t.Fatalf("forwarding of the uplink is %s while functions run", got)
	}
	if len(leftovers(t, m.names)) < 8+2 {
		t.Fatalf("expected pairs, a table and an address, found only %v", leftovers(t, m.names))
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, m.names); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if got := readSwitch(t, forwardingFile("up0")); got != "0" {
		t.Errorf("forwarding of the uplink is still %s", got)
	}
	if got := readSwitch(t, sysctlIPv4+"ip_forward"); got != "0" {
		t.Errorf("ip_forward is %s", got)
	}
	if _, err := m.Acquire(t.Context(), true); !errors.Is(err, fn.Unavailable) {
		t.Errorf("acquiring after Close: %v", err)
	}
}

func TestHostThatForwardsAlreadyStaysSo(t *testing.T) {
	newWorld(t)
	set := func(v string) {
		if err := os.WriteFile(sysctlIPv4+"ip_forward", []byte(v), 0); err != nil {
			t.Fatal(err)
		}
	}
	m := newManager(t, nil)
	acquire(t, m, true)
	set("1") // someone else makes the host a router while we run
	t.Cleanup(func() { set("0") })
	if err := m.gate.refresh(); err != nil {
		t.Fatal(err)
	}
	if opened, err := m.gate.state(); len(opened) != 0 || err != nil {
		t.Errorf("still guards %v, %v", opened, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if got := readSwitch(t, forwardingFile("up0")); got != "1" {
		t.Errorf("took away forwarding that others rely on")
	}
}

func TestRecoverRemovesWhatAKilledServerLeft(t *testing.T) {
	newWorld(t)
	other := newManager(t, func(c *Config) { c.ServerID = "another server" })
	acquire(t, other, true)
	before := leftovers(t, other.names)

	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), envHold+"="+t.Name())
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "holding\n" {
		t.Fatalf("the server said %q, %v", line, err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()

	m := newManager(t, nil) // its ServerID is the test's name
	left := leftovers(t, m.names)
	if !slices.Contains(left, m.names.table) {
		t.Fatalf("a killed server should leave its table for the sandboxes that still run: %v", left)
	}
	if _, err := m.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, m.names); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if after := leftovers(t, other.names); !slices.Equal(before, after) {
		t.Errorf("another server had %v, has %v", before, after)
	}
	// up0 was opened by the other server, which still runs.
	if got := readSwitch(t, forwardingFile("up0")); got != "1" {
		t.Errorf("forwarding of the uplink is %s, but another server needs it", got)
	}
	acquire(t, m, true)
	if _, err := m.Recover(t.Context()); !errors.Is(err, fn.Conflict) {
		t.Errorf("recovering while in use: %v", err)
	}
}

func TestRecoverRestoresTheSwitchesAKilledServerSet(t *testing.T) {
	newWorld(t)
	m := newManager(t, nil)
	old, err := New(Config{ServerID: t.Name(), Spares: -1})
	if err != nil {
		t.Fatal(err)
	}
	n := acquire(t, old, true)
	old.gate.relay.close() // what a kill does to it; the pair stays, as if processes lived in it
	if got := readSwitch(t, forwardingFile("up0")); got != "1" {
		t.Fatal("forwarding was not turned on")
	}
	links, err := m.Recover(t.Context())
	if err != nil || links != 1 {
		t.Fatalf("removed %d interfaces, %v", links, err)
	}
	if left := leftovers(t, m.names); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if got := readSwitch(t, forwardingFile("up0")); got != "0" {
		t.Errorf("forwarding of the uplink is still %s", got)
	}
	n.Release()
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRecoverAfterAnEarlyLook(t *testing.T) {
	newWorld(t)
	m := newManager(t, func(c *Config) { c.Spares = 2 })
	m.Checks(t.Context()) // puts the host's side in place
	m.refill(t.Context())
	if _, err := m.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := leftovers(t, m.names); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	acquire(t, m, true)
	if len(leftovers(t, m.names)) != 3 {
		t.Errorf("want a pair, a table and an address, found %v", leftovers(t, m.names))
	}
}

func TestSpareIsHandedOut(t *testing.T) {
	newWorld(t)
	m := newManager(t, func(c *Config) { c.Spares = 2 })
	m.refill(t.Context())
	if len(m.spares[true]) != 2 || len(m.spares[false]) != 1 {
		t.Fatalf("%d and %d spares", len(m.spares[true]), len(m.spares[false]))
	}
	ready := m.spares[true][1]
	if got := acquire(t, m, true); got != ready {
		t.Error("the spare was not used")
	}
	m.refill(t.Context())
	if len(m.spares[true]) != 2 {
		t.Errorf("%d spares after refilling", len(m.spares[true]))
	}
}

func TestManyAtOnceAndCloseInBetween(t *testing.T) {
	newWorld(t)
	m := newManager(t, func(c *Config) { c.Spares = 4 })
	run(t, m)
	var wg sync.WaitGroup
	addresses := make(chan netip.Addr, 64)
	for i := range 64 {
		wg.Go(func() {
			n, err := m.Acquire(t.Context(), i%4 > 0)
			if err != nil {
				t.Error(err)
				return
			}
			if n.gate != nil {
				addresses <- n.gate.addrs.at(n.number)
			}
			if _, err := n.Dial(t.Context(), 8080); !errors.Is(err, unix.ECONNREFUSED) {
				t.Error(err)
			}
			if i%2 == 0 {
				n.Release()
				n.Release()
			}
		})
	}
	wg.Wait()
	close(addresses)
	seen := map[netip.Addr]bool{}
	for a := range addresses {
		if seen[a] {
			t.Errorf("%s was given out twice", a)
		}
		seen[a] = true
	}
	for range 16 {
		wg.Go(func() {
			n, err := m.Acquire(t.Context(), true)
			if err == nil {
				n.Release()
			} else if !errors.Is(err, fn.Unavailable) {
				t.Error(err)
			}
		})
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if left := leftovers(t, m.names); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestReleasedNetworkDisappears(t *testing.T) {
	newWorld(t)
	m := newManager(t, nil)
	n := acquire(t, m, true)
	name := m.names.link(n.number)
	updates := make(chan netlink.LinkUpdate, 64)
	done := make(chan struct{})
	defer close(done)
	if err := netlink.LinkSubscribe(updates, done); err != nil {
		t.Fatal(err)
	}
	n.Release()
	if n.FD() != -1 {
		t.Error("a released network still has a descriptor")
	}
	for u := range updates {
		if u.Header.Type == unix.RTM_DELLINK && u.Link.Attrs().Name == name {
			return
		}
	}
	t.Error("the subscription ended")
}

func TestChecksPassOnAHostThatHasAll(t *testing.T) {
	newWorld(t)
	resolv := t.TempDir() + "/resolv.conf"
	if err := os.WriteFile(resolv, []byte("nameserver 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := newManager(t, func(c *Config) { c.ResolvConf = resolv })
	for _, c := range m.Checks(t.Context()) {
		t.Logf("%s: %v %s", c.Name, c.OK, c.Detail)
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
}

func TestChecksNameTheFirewallThatIsInTheWay(t *testing.T) {
	newWorld(t)
	c, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	drop := nftables.ChainPolicyDrop
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "filter"})
	c.AddChain(&nftables.Chain{Name: "FORWARD", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter, Policy: &drop})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.DelTable(table)
		if err := c.Flush(); err != nil {
			t.Error(err)
		}
	})
	m := newManager(t, nil)
	for _, check := range m.Checks(t.Context()) {
		if check.Name != "outbound connections" {
			continue
		}
		if check.OK || !strings.Contains(check.Detail, "filter FORWARD") || !strings.Contains(check.Fix, m.names.prefix+"+") {
			t.Errorf("%+v", check)
		}
		return
	}
	t.Error("no such check")
}

// A host that allows no namespaces still has a manager.
func TestWithoutPrivilegeFunctionsStayInTheHostsNetwork(t *testing.T) {
	m := &Manager{home: -1, why: unix.EPERM, names: namesOf("x"), inUse: map[*Netns]struct{}{}}
	n, err := m.Acquire(t.Context(), true)
	if err != nil || n.FD() != -1 {
		t.Fatal(n.FD(), err)
	}
	n.Release()
	checks := m.Checks(t.Context())
	if len(checks) != 1 || checks[0].OK || checks[0].Fix == "" {
		t.Errorf("%+v", checks)
	}
}

func TestServerIDIsNeeded(t *testing.T) {
	if _, err := New(Config{}); !errors.Is(err, fn.Invalid) {
		t.Error(err)
	}
}
