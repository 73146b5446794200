package enginetest

import (
	"bytes"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// processes returns the host's processes with token in their command line.
func processes(token string) []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var out []int
	for _, d := range dirs {
		b, err := os.ReadFile(d + "/cmdline")
		if err == nil && bytes.Contains(b, []byte(token)) {
			pid, _ := strconv.Atoi(filepath.Base(d))
			out = append(out, pid)
		}
	}
	return out
}

func mustHaveNoProcess(t *testing.T, token string) {
	t.Helper()
	for _, pid := range processes(token) {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err == nil && !strings.Contains(string(b), "State:\tZ") {
			t.Errorf("process %d is still there: %.200s", pid, b)
		}
	}
}

// processTimes returns the user and system time of each process with token,
// in ticks.
func processTimes(t *testing.T, token string) map[int]string {
	t.Helper()
	out := map[int]string{}
	for _, pid := range processes(token) {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 13 {
			out[pid] = f[11] + "+" + f[12]
		}
	}
	return out
}

// hostState is what an engine could leave behind.
type hostState struct {
	mounts, cgroups, links []string
	fds                    map[string]int // kind → how many this process has
}

func lookAtHost(t *testing.T, id string) hostState {
	t.Helper()
	var s hostState
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 {
			s.mounts = append(s.mounts, f[4])
		}
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, id) {
			s.cgroups = append(s.cgroups, path)
		}
		return nil
	})
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		addrs, _ := l.Addrs()
		s.links = append(s.links, l.Name)
		for _, a := range addrs {
			s.links = append(s.links, l.Name+" "+a.String())
		}
	}
	s.fds = map[string]int{}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil {
			kind, _, numbered := strings.Cut(to, ":[")
			if numbered {
				to = kind
			}
			s.fds[to]++
		}
	}
	return s
}

// added returns what is there now and was not before.
func (s hostState) addedTo(before hostState) []string {
	var out []string
	for _, l := range [][2][]string{{s.mounts, before.mounts}, {s.cgroups, before.cgroups}, {s.links, before.links}} {
		for _, x := range l[0] {
			if !slices.Contains(l[1], x) {
				out = append(out, x)
			}
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(s.fds)) {
		if n := s.fds[kind] - before.fds[kind]; n > 0 && !strings.HasPrefix(kind, "/proc/") {
			out = append(out, strconv.Itoa(n)+" descriptors: "+kind)
		}
	}
	return out
}

// hostListener listens on the host and lets every connection in.
func hostListener(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatalf("listening on %s: %v", address, err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return l.Addr().String()
}

// hostAddresses returns every IPv4 address of the host, with the port of to.
func hostAddresses(t *testing.T, to string) []string {
	t.Helper()
	port := netip.MustParseAddrPort(strings.Replace(to, "[::]", "0.0.0.0", 1)).Port()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{"127.0.0.1:" + strconv.Itoa(int(port))}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			out = append(out, netip.AddrPortFrom(p.Addr(), port).String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
