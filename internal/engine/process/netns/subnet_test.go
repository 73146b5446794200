package netns

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

func TestSubnetAvoidsWhatTheHostUses(t *testing.T) {
	p := netip.MustParsePrefix
	for _, c := range []struct {
		name  string
		want  string
		taken []netip.Prefix
		got   string
	}{
		{"free", "10.231.0.0/16", nil, "10.231.0.0/16"},
		{"a default route overlaps nothing", "10.231.0.0/16", []netip.Prefix{p("0.0.0.0/0")}, "10.231.0.0/16"},
		{"same", "10.231.0.0/16", []netip.Prefix{p("10.231.0.0/16")}, "10.232.0.0/16"},
		{"a host inside", "10.231.0.0/16", []netip.Prefix{p("10.231.4.4/32"), p("10.232.0.0/24")}, "10.233.0.0/16"},
		{"all of 10", "10.231.0.0/16", []netip.Prefix{p("10.0.0.0/8")}, "172.31.0.0/16"},
		{"configured", "172.20.8.0/22", nil, "172.20.8.0/22"},
	} {
		got, err := pickSubnet(p(c.want), c.taken)
		if err != nil || got != p(c.got) {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.got)
		}
	}
	if _, err := pickSubnet(p("10.231.0.0/16"), []netip.Prefix{p("10.0.0.0/8"), p("172.16.0.0/12")}); !errors.Is(err, fn.Exhausted) || fn.Hint(err) == "" {
		t.Error(err)
	}
	for _, bad := range []string{"10.0.0.0/30", "10.0.0.0/4", "fd00::/48"} {
		if _, err := pickSubnet(p(bad), nil); !errors.Is(err, fn.Invalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSecondServerTakesAnotherSubnet(t *testing.T) {
	newWorld(t)
	first := newManager(t, nil)
	acquire(t, first, true)
	second := newManager(t, func(c *Config) { c.ServerID = "second" })
	acquire(t, second, true)
	if a, b := first.gate.policy.subnet, second.gate.policy.subnet; a.Overlaps(b) {
		t.Errorf("both use %s and %s", a, b)
	}
}

func TestAddressesGoRound(t *testing.T) {
	a := newAddresses(netip.MustParsePrefix("10.9.9.0/24"))
	first, err := a.take()
	if err != nil || a.at(first).String() != "10.9.9.16" {
		t.Fatal(a.at(first), err)
	}
	a.put(first)
	if next, _ := a.take(); next == first {
		t.Error("an address is used again at once")
	}
	count := 1
	for {
		if _, err = a.take(); err != nil {
			break
		}
		count++
	}
	if !errors.Is(err, fn.Exhausted) || count != 255-16 {
		t.Errorf("%d addresses, then %v", count, err)
	}
	a.put(100)
	if n, err := a.take(); n != 100 || err != nil {
		t.Error(n, err)
	}
}

func TestResolversAreReadAgainWhenTheFileChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	write := func(s string) {
		if err := os.WriteFile(path+".new", []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	r := newResolvers(path)
	want := func(list ...string) {
		t.Helper()
		r.checked = r.checked.Add(-recheck)
		var got []string
		for _, a := range r.current() {
			got = append(got, a.String())
		}
		if !slices.Equal(got, list) {
			t.Errorf("got %v, want %v", got, list)
		}
	}
	want()
	write("# comment\nsearch example.org\nnameserver 192.0.2.53\nnameserver broken\nnameserver 2001:db8::53\nnameserver 192.0.2.54\nnameserver 192.0.2.55\n")
	want("192.0.2.53:53", "[2001:db8::53]:53", "192.0.2.54:53")
	write("nameserver 127.0.0.53\n")
	want("127.0.0.53:53")
}
