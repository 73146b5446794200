package plan

import (
	"encoding/binary"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func boxes() map[string]*Box {
	common := func(l Level) *Box {
		return &Box{
			Level: l, Hostname: "fn", OOMScore: 500, View: 20, UserNS: 21, NetNS: 22, UID: 200007, GID: 200007,
			Join: []Join{{30, "memory"}, {31, "pids"}}, Tmp: 64 << 20,
			Masks:   []Mask{{"/kcore", false}, {"/acpi", true}},
			Ruleset: &Ruleset{ABI: 7, Confine: true}, Limits: []Rlimit{{"core files", 4, 0}, {"descriptors", 7, 16384}},
			Stdin: 10, Stdout: 11, Stderr: 12, Listen: 13, Dir: "/function",
			Candidates: []string{"/usr/local/bin/python3", "/usr/bin/python3"}, Argv: []string{"python3", "-I", "shim.py"}, Env: []string{"HOME=/tmp"},
		}
	}
	full := common(Full)
	full.Trees = []Tree{{40, "/function", false}, {41, "/cache", true}}
	full.Folders = []Folder{{[]string{"/var/one", "/var/two"}, []File{{"key", make([]byte, 5000), 0o400}, {"open", nil, 0o444}}}}
	offline := common(Full)
	offline.NetNS, offline.Listen = -1, -1
	offline.Ruleset = &Ruleset{ABI: 1}
	user := common(User)
	user.UID, user.GID, user.Base = 1001, 1002, "/run/rouse/base"
	user.Binds = []Bind{{Source: "/usr", Target: "/usr"}, {Source: "/srv/work", Target: "/function", Writable: true}}
	user.Devices = []string{"/dev/null"}
	user.Folders = []Folder{{[]string{"/var/one"}, []File{{"key", []byte("content"), 0o400}}}}
	bare := common(Landlock)
	bare.TmpDir, bare.Devices = "/run/rouse/tmp/a", []string{"/dev/null"}
	bare.Binds = []Bind{{Source: "/usr"}, {Source: "/etc/hosts", File: true}, {Source: "/srv/work", Writable: true}}
	bare.Ruleset = &Ruleset{ABI: 7, NoTCP: true, Port: 40001, Confine: true}
	return map[string]*Box{"full": full, "offline": offline, "user": user, "landlock": bare}
}

// TestPlansAreReviewed keeps each plan as text, so that a change of what a
// sandbox consists of shows as a change of a file.
func TestPlansAreReviewed(t *testing.T) {
	for name, b := range boxes() {
		t.Run(name, func(t *testing.T) {
			p, first := Compile(b)
			got := p.String()
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("the plan changed (-want +got); if on purpose, run with -update:\n%s", d)
			}
			if s := p.Steps[first]; s.Call.Name != "execve" || p.Steps[first-1].Call.Name == "execve" {
				t.Errorf("step %d is %s", first, s.Call.Name)
			}
		})
	}
}

// TestOrderIsSafe checks what must hold for every plan, whatever else is in
// it.
func TestOrderIsSafe(t *testing.T) {
	for name, b := range boxes() {
		p, first := Compile(b)
		at := func(call, text string) int {
			for i, s := range p.Steps {
				if s.Call.Name == call && (text == "" || strings.Contains(s.Args[0].String()+s.Args[min(1, len(s.Args)-1)].String(), text)) {
					return i
				}
			}
			return -1
		}
		order := []int{at("prctl", "PR_SET_NO_NEW_PRIVS"), at("dup3", ""), at("close_range", ""), at("seccomp", ""), first}
		if name != "landlock" {
			order = append([]int{at("prctl", "PR_CAPBSET_DROP"), at("capset", "")}, order...)
		}
		for i := 1; i < len(order); i++ {
			if order[i-1] < 0 || order[i-1] >= order[i] {
				t.Errorf("%s: step %d of the required order is at %d, the next at %d", name, i-1, order[i-1], order[i])
			}
		}
		if at("seccomp", "") != first-1 {
			t.Errorf("%s: something comes between the filter and the program", name)
		}
		if d := at("prctl", "PR_SET_PDEATHSIG"); d < at("setresuid", "") || d < at("capset", "") {
			t.Errorf("%s: the parent-death signal is set before credentials change, which clears it", name)
		}
		for i, s := range p.Steps {
			if len(s.Ignore) > 0 && s.Call.Name != "execve" && s.Args[0].String() != "PR_CAPBSET_DROP" {
				t.Errorf("%s: step %d (%s) ignores errors", name, i, s.Name)
			}
		}
	}
}

func str(addr uintptr) string {
	p := *(*unsafe.Pointer)(unsafe.Pointer(&addr))
	var b []byte
	for i := 0; ; i++ {
		c := *(*byte)(unsafe.Add(p, i))
		if c == 0 {
			return string(b)
		}
		b = append(b, c)
	}
}

func TestLinkLaysOutMemory(t *testing.T) {
	p := &Plan{Slots: 2, Steps: []Step{
		{Call: Call{"openat", 257}, Args: []Arg{atCwd(), Str("/some/path"), Num(7), Bytes(nil, "nothing")}, Save: 1},
		{Call: Call{"x", 1}, Args: []Arg{Slot(1), Vec([]string{"a", "bc", ""}, ""), Slot(2)}, Save: 2, Ignore: []syscall.Errno{syscall.ENOENT}},
		{Call: Call{"add", 2}, Args: []Arg{Slot(2), rule(0x1234, 1), FD(9, "nine"), Bytes([]byte{1, 2, 3}, "b")}},
	}}
	l := p.Link()
	if l.Ops[0].Nr != 257 || int64(l.Ops[0].Args[0]) != -100 || str(l.Ops[0].Args[1]) != "/some/path" || l.Ops[0].Args[2] != 7 {
		t.Errorf("%+v", l.Ops[0])
	}
	vec := unsafe.Slice((*uintptr)(*(*unsafe.Pointer)(unsafe.Pointer(&l.Ops[1].Args[1]))), 4)
	if str(vec[0]) != "a" || str(vec[1]) != "bc" || str(vec[2]) != "" || vec[3] != 0 {
		t.Errorf("vector %v", vec)
	}
	*l.Ops[0].Out = 77 // as the child does
	if *l.Ops[1].In[0].From != 77 || l.Ops[1].In[0].Arg != 0 || l.Slot(1) != 77 {
		t.Error("a result does not reach its user")
	}
	r := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&l.Ops[2].Args[1]))), 12)
	if binary.LittleEndian.Uint64(r) != 0x1234 || binary.LittleEndian.Uint32(r[8:]) != 77 {
		t.Errorf("rule % x", r)
	}
	if l.Ops[1].Ignore[0] != syscall.ENOENT || l.Ops[2].Args[2] != 9 {
		t.Errorf("%+v", l.Ops)
	}
	if l.arena.used > len(l.arena.words) {
		t.Errorf("used %d of %d words", l.arena.used, len(l.arena.words))
	}
}

func FuzzLink(f *testing.F) {
	f.Add("a", "", 3, []byte("xyz"))
	f.Fuzz(func(t *testing.T, a, b string, n int, data []byte) {
		a, b = strings.ReplaceAll(a, "\x00", ""), strings.ReplaceAll(b, "\x00", "")
		p := &Plan{Slots: 1}
		for range min(max(n, 0), 50) {
			p.Steps = append(p.Steps, Step{Args: []Arg{Str(a), Vec([]string{b, a}, ""), Bytes(data, ""), Slot(1)}})
		}
		p.Steps = append(p.Steps, Step{Args: []Arg{rule(1, 1)}})
		l := p.Link()
		for _, op := range l.Ops[:len(l.Ops)-1] {
			if str(op.Args[0]) != a {
				t.Error("a string was overwritten")
			}
		}
		if l.arena.used != len(l.arena.words) {
			t.Errorf("used %d of %d words", l.arena.used, len(l.arena.words))
		}
	})
}
