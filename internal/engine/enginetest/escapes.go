package enginetest

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Escapes runs a program that tries to get out of its sandbox, or to see what
// is outside, in every way it knows; each attempt is a test of its own.
func Escapes(t *testing.T, open Open, opts Options) {
	s := newSuite(t, open, opts)
	for _, network := range []fn.Network{fn.NetworkOn, fn.NetworkOff} {
		t.Run("network "+string(network), func(t *testing.T) {
			for _, res := range s.escapes(t, network) {
				t.Run(res.Name, func(t *testing.T) {
					reason, conceded := opts.Concedes[res.Name]
					switch {
					case res.Escaped && conceded:
						t.Skipf("conceded (%s): %s", reason, res.Detail)
					case res.Escaped:
						t.Errorf("it worked: %s", res.Detail)
					default:
						t.Log("stopped:", res.Detail)
					}
				})
			}
		})
	}
}

// escape is what came of one attempt.
type escape struct {
	Name    string
	Escaped bool
	Detail  string
}

// outside is what the probe is told about the host; see testdata/probe.
type outside struct {
	Pid      int
	Marker   string
	Hostname string
	Hidden   []string
	Sockets  []string
	Abstract string
	Refused  []string
	Allowed  []string
}

// metadata is where clouds tell a machine its secrets.
const metadata = "169.254.169.254"

func (s *suite) escapes(t *testing.T, network fn.Network) []escape {
	t.Helper()
	e := s.engine(t)
	spec := s.server(fn.ListenSocket)
	spec.Network = network
	r := s.start(t, e, spec)
	c := dial(t, r)
	defer c.Close()
	if _, err := io.WriteString(c, "escape\n"); err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(c).Encode(s.surroundings(t, spec)); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	var out []escape
	for in := json.NewDecoder(c); ; {
		var res escape
		if err := in.Decode(&res); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal("reading what it tried:", err)
		}
		out = append(out, res)
	}
	if len(out) < 50 {
		t.Fatalf("it tried only %d things", len(out))
	}
	return out
}

// surroundings puts things on the host that a sandbox must not get at.
func (s *suite) surroundings(t *testing.T, spec engine.Spec) outside {
	t.Helper()
	data, err := os.MkdirTemp("/var/tmp", "rouse-data-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(data) })
	if err := os.Chmod(data, 0o777); err != nil { // so that only the sandbox hides it
		t.Fatal(err)
	}
	password := filepath.Join(data, "admin-password")
	if err := os.WriteFile(password, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	control := filepath.Join(data, "control.sock")
	hostListener(t, "unix", control)
	if err := os.Chmod(control, 0o777); err != nil {
		t.Fatal(err)
	}
	abstract := freshID()
	hostListener(t, "unix", "@"+abstract)
	to := hostListener(t, "tcp4", "0.0.0.0:0")
	refused := hostAddresses(t, to)
	if os.Getenv(envPrivate) != "" {
		addAddress(t, metadata)
		_, port, _ := net.SplitHostPort(to)
		refused = append(refused, net.JoinHostPort(metadata, port))
	}
	name, _ := os.Hostname()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return outside{
		Pid: os.Getpid(), Marker: filepath.Base(os.Args[0]), Hostname: name,
		Hidden:  append([]string{data, password, s.root, exe}, s.opts.Hidden...),
		Sockets: []string{control}, Abstract: abstract, Refused: refused,
		Allowed: added(spec.Program.Listen),
	}
}

// addAddress gives the private host an address and makes sure that it answers
// there.
func addAddress(t *testing.T, address string) {
	t.Helper()
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	a := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(address), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrAdd(lo, a); err != nil && !errors.Is(err, unix.EEXIST) {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.AddrDel(lo, a) })
}
