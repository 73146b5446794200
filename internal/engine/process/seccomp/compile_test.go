package seccomp

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
)

var update = flag.Bool("update", false, "rewrite golden files")

var machines = map[string]Arch{"amd64": AMD64, "arm64": ARM64}

// call is what the kernel shows a filter.
type call struct {
	nr, arch uint32
	args     [6]uint64
}

// verdict runs the program as the kernel does. The simulator loads big-endian
// while the kernel loads in its own order, so words are stored swapped.
func verdict(t testing.TB, vm *bpf.VM, c call) uint32 {
	t.Helper()
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[0:], c.nr)
	binary.BigEndian.PutUint32(data[4:], c.arch)
	for i, a := range c.args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	v, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v)
}

func machine(t testing.TB, a Arch, o Options) *bpf.VM {
	t.Helper()
	raw, err := Compile(a, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 4096 {
		t.Fatalf("%d instructions, the kernel takes 4096", len(raw))
	}
	prog, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("cannot disassemble")
	}
	vm, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// naive decides from the tables with no program at all.
func naive(a Arch, o Options, c call) uint32 {
	if c.arch != a.Audit {
		return kill
	}
	if a.x32 && c.nr >= 1<<30 {
		return errno(ePERM)
	}
	name := ""
	for n, nrs := range numbers {
		if nrs[a.column] >= 0 && uint32(nrs[a.column]) == c.nr {
			name = n
		}
	}
	switch {
	case name != "" && slices.Contains(allowed, name):
		return allow
	case slices.Contains(pretended, name):
		return errno(0)
	case slices.Contains(unknown, name):
		return errno(eNOSYS)
	}
	low := func(i int) uint32 { return uint32(c.args[i]) }
	suid := func(mode uint32) uint32 {
		if mode&0o6000 != 0 {
			return errno(ePERM)
		}
		return allow
	}
	opened := func(flags, mode uint32) uint32 {
		if flags&(0o100|0o20000000) == 0 {
			return allow
		}
		return suid(mode)
	}
	switch name {
	case "clone":
		if low(0)&0x7e020000 != 0 {
			return errno(ePERM)
		}
		return allow
	case "personality":
		if low(0) == 0 || low(0) == 0xffffffff {
			return allow
		}
		return errno(ePERM)
	case "ioctl":
		if slices.Contains([]uint32{0x5412, 0x541c, 0x5423}, low(1)) {
			return errno(ePERM)
		}
		return allow
	case "socketpair":
		if low(0) == 1 {
			return allow
		}
		return errno(eAFNOSUPPORT)
	case "socket":
		return naiveSocket(o, low(0), low(1), low(2))
	case "open":
		return opened(low(1), low(2))
	case "openat":
		return opened(low(2), low(3))
	case "chmod", "fchmod", "creat", "mknod":
		return suid(low(1))
	case "fchmodat", "fchmodat2", "mknodat":
		return suid(low(2))
	}
	if c.nr >= newest {
		return errno(eNOSYS)
	}
	return errno(ePERM)
}

func naiveSocket(o Options, domain, kind, proto uint32) uint32 {
	switch {
	case domain == 1:
		return allow
	case domain == 16 && proto == 0:
		return allow
	case (domain == 2 || domain == 10) && !o.NoInternet:
		if proto != 0 && proto != 6 && proto != 17 {
			return errno(ePROTONOSUPPORT)
		}
		if kind&0xf == 1 || kind&0xf == 2 {
			return allow
		}
		return errno(ePERM)
	}
	return errno(eAFNOSUPPORT)
}

func TestEveryCallNumber(t *testing.T) {
	for name, a := range machines {
		for _, o := range []Options{{}, {NoInternet: true}} {
			vm := machine(t, a, o)
			for nr := range uint32(1200) {
				for _, args := range [][6]uint64{
					{}, {1, 1, 0}, {2, 2, 17}, {2, 3, 1}, {16, 3, 0}, {16, 3, 9}, {40, 1, 0}, {0x20000}, {0x7e020000}, {17},
					{0, 0x5412, 0o4755, 0o4755}, {0, 0o4755, 0o2755}, {0, 0o100, 0o4755, 0}, {0, 0, 0o100, 0o2755}, {0xffffffff}, {0x40000},
					{1 << 32, 1 << 32, 1 << 32, 1 << 32}, {2, 0x80801, 6},
				} {
					c := call{nr: nr, arch: a.Audit, args: args}
					if got, want := verdict(t, vm, c), naive(a, o, c); got != want {
						t.Fatalf("%s %+v: %#x, want %#x", name, c, got, want)
					}
				}
			}
		}
	}
}

func TestOtherABIsAreRefused(t *testing.T) {
	vm := machine(t, AMD64, Options{})
	if v := verdict(t, vm, call{nr: 1, arch: 0x40000003}); v != kill { // 32-bit x86
		t.Errorf("a 32-bit call: %#x", v)
	}
	for _, nr := range []uint32{1 << 30, 1<<30 + 1, 1<<30 + 520, 0xffffffff} {
		if v := verdict(t, vm, call{nr: nr, arch: AMD64.Audit}); v != errno(ePERM) {
			t.Errorf("x32 call %#x: %#x", nr, v)
		}
	}
}

// TestPolicyIsReviewed prints what each call of each machine gets, so that a
// change of policy shows as a change of this file.
func TestPolicyIsReviewed(t *testing.T) {
	var b strings.Builder
	names := map[uint32]string{allow: "allow", errno(ePERM): "EPERM", errno(eNOSYS): "ENOSYS", errno(0): "pretend"}
	sorted := make([]string, 0, len(numbers))
	for n := range numbers {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	vms := map[string]*bpf.VM{"amd64": machine(t, AMD64, Options{}), "arm64": machine(t, ARM64, Options{})}
	checks := inspected(Options{})
	for _, n := range sorted {
		fmt.Fprintf(&b, "%-26s", n)
		for _, m := range []string{"amd64", "arm64"} {
			nr := numbers[n][machines[m].column]
			word := "-"
			if checks[n] != nil && nr >= 0 {
				word = "inspect"
			} else if nr >= 0 {
				word = names[verdict(t, vms[m], call{nr: uint32(nr), arch: machines[m].Audit})]
			}
			fmt.Fprintf(&b, " %-8s", word)
		}
		b.WriteString("\n")
	}
	golden := filepath.Join("testdata", "policy.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("the policy changed (-want +got); if on purpose, run with -update:\n%s", d)
	}
}

func TestTablesNameOnlyRealCalls(t *testing.T) {
	seen := map[string]bool{}
	checks := inspected(Options{})
	for _, n := range slices.Concat(allowed, pretended, unknown) {
		if _, ok := numbers[n]; !ok {
			t.Errorf("no such call: %s", n)
		}
		if seen[n] || checks[n] != nil {
			t.Errorf("%s is named twice", n)
		}
		seen[n] = true
	}
}

func FuzzFilter(f *testing.F) {
	f.Add(uint32(41), uint64(2), uint64(1), uint64(0), uint64(0), false, false)
	f.Add(uint32(56), uint64(0x10000000), uint64(0), uint64(0), uint64(0), true, true)
	f.Add(uint32(257), uint64(0), uint64(0), uint64(0o100), uint64(0o4755), false, false)
	vms := map[[2]bool]*bpf.VM{}
	for _, arm := range []bool{false, true} {
		for _, off := range []bool{false, true} {
			a := AMD64
			if arm {
				a = ARM64
			}
			vms[[2]bool{arm, off}] = machine(f, a, Options{NoInternet: off})
		}
	}
	f.Fuzz(func(t *testing.T, nr uint32, a0, a1, a2, a3 uint64, arm, off bool) {
		a := AMD64
		if arm {
			a = ARM64
		}
		c := call{nr: nr, arch: a.Audit, args: [6]uint64{a0, a1, a2, a3}}
		if got, want := verdict(t, vms[[2]bool{arm, off}], c), naive(a, Options{NoInternet: off}, c); got != want {
			t.Errorf("%+v: %#x, want %#x", c, got, want)
		}
	})
}
