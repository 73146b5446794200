package seccomp

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/net/bpf"
)

// Arch is a machine the program can be compiled for.
type Arch struct {
	Audit  uint32 // AUDIT_ARCH_*: what the kernel says a call was made as
	column int    // in numbers
	x32    bool   // has a second ABI whose numbers have bit 30 set
}

// The machines.
var (
	AMD64 = Arch{Audit: 0xc000003e, column: 0, x32: true}
	ARM64 = Arch{Audit: 0xc00000b7, column: 1}
)

// Offsets in struct seccomp_data.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// What a program returns.
const (
	allow = 0x7fff0000
	kill  = 0x80000000 // the process, not the thread

	ePERM, eNOSYS, ePROTONOSUPPORT, eAFNOSUPPORT = 1, 38, 93, 97
)

func errno(n uint32) uint32 { return 0x00050000 | n }

// check is one look at an argument: if its masked low word is one of values
// (or, with not, is not zero) then action, or continue with the checks named
// next; else the following check. A check without mask always matches. Falling off the
// end allows. The kernel itself looks at the low word alone of every argument
// that is checked here.
type check struct {
	arg    int
	mask   uint32
	values []uint32
	not    bool
	action uint32
	next   string
}

// Compile returns the program for a machine.
func Compile(a Arch, o Options) ([]bpf.RawInstruction, error) {
	checks := inspected(o)
	p := &program{}
	p.emit(bpf.LoadAbsolute{Off: offArch, Size: 4})
	p.jump(bpf.JumpEqual, a.Audit, "arch-ok")
	p.ret(kill)
	p.label("arch-ok")
	p.emit(bpf.LoadAbsolute{Off: offNr, Size: 4})
	p.tree(a.ranges(checks))
	for _, followUp := range []bool{false, true} { // jumps go forward only
		for _, name := range slices.Sorted(maps.Keys(checks)) {
			if _, isCall := numbers[name]; isCall != followUp {
				p.label(name)
				p.checks(checks[name])
			}
		}
	}
	return p.assemble()
}

// span is a range of call numbers that end alike.
type span struct {
	from   uint32
	action uint32
	checks string
}

// ranges covers all numbers, in order, neighbours differing.
func (a Arch) ranges(checks map[string][]check) []span {
	verdicts := map[uint32]span{}
	set := func(name string, v span) {
		if nr := numbers[name][a.column]; nr >= 0 {
			v.from = uint32(nr)
			verdicts[v.from] = v
		}
	}
	for _, n := range allowed {
		set(n, span{action: allow})
	}
	for _, n := range pretended {
		set(n, span{action: errno(0)})
	}
	for _, n := range unknown {
		set(n, span{action: errno(eNOSYS)})
	}
	for n := range checks {
		if _, ok := numbers[n]; ok {
			set(n, span{checks: n})
		}
	}
	top := slices.Max(slices.Collect(maps.Keys(verdicts)))
	var out []span
	for nr := range max(top, newest) + 2 {
		v, ok := verdicts[nr]
		if !ok {
			v = span{from: nr, action: errno(ePERM)}
			if nr >= newest {
				v.action = errno(eNOSYS)
			}
		}
		if n := len(out); n == 0 || out[n-1].action != v.action || out[n-1].checks != v.checks {
			out = append(out, v)
		}
	}
	if a.x32 { // the x32 ABI, and -1
		out = append(out, span{from: 1 << 30, action: errno(ePERM)})
	}
	return out
}

// tree is a binary search for the number in the accumulator.
func (p *program) tree(s []span) {
	if len(s) == 1 {
		if s[0].checks != "" {
			p.goTo(s[0].checks)
			return
		}
		p.ret(s[0].action)
		return
	}
	mid := len(s) / 2
	right := fmt.Sprintf("from %d", s[mid].from)
	p.jump(bpf.JumpGreaterOrEqual, s[mid].from, right)
	p.tree(s[:mid])
	p.label(right)
	p.tree(s[mid:])
}

func (p *program) checks(list []check) {
	for i, c := range list {
		if c.mask == 0 {
			p.ret(c.action)
			return
		}
		hit, miss := p.fresh("hit"), p.fresh("miss")
		p.emit(bpf.LoadAbsolute{Off: uint32(offArgs + 8*c.arg), Size: 4})
		if c.mask != ^uint32(0) {
			p.emit(bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: c.mask})
		}
		if c.not {
			p.jump(bpf.JumpEqual, 0, miss)
		} else {
			for _, v := range c.values {
				p.jump(bpf.JumpEqual, v, hit)
			}
			p.goTo(miss)
		}
		p.label(hit)
		if c.next != "" {
			p.goTo(c.next)
		} else {
			p.ret(c.action)
		}
		p.label(miss)
		if i == len(list)-1 {
			p.ret(allow)
		}
	}
}
