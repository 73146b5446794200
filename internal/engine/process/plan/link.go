package plan

import (
	"encoding/binary"
	"unsafe"

	"rouse.dev/rouse/internal/engine/process/launch"
)

// word is the size of a machine word; both supported machines have 64 bits.
const word = 8

// Linked is a plan laid out in memory.
type Linked struct {
	Ops   []launch.Op
	plan  *Plan
	arena *arena // what the ops point into
	homes []*uintptr
}

// Slot returns what a step saved, after the plan has run.
func (l *Linked) Slot(n int) uintptr { return *l.homes[n] }

// Link lays the plan out in memory: every string, vector and result slot has
// its place before the child exists. The result must stay alive as long as
// its ops may run.
func (p *Plan) Link() *Linked {
	a := &arena{words: make([]uintptr, p.words())}
	homes := make([]*uintptr, p.Slots+1)
	for _, s := range p.Steps {
		for _, arg := range s.Args {
			if arg.kind == argRule {
				r := a.take(2 * word)
				a.words[r] = uintptr(arg.num)
				homes[arg.slot] = &a.words[r+1]
			}
		}
	}
	for i := range homes {
		if homes[i] == nil {
			homes[i] = &a.words[a.take(word)]
		}
	}
	ops := make([]launch.Op, len(p.Steps))
	for i := range p.Steps {
		a.link(&ops[i], &p.Steps[i], homes)
	}
	return &Linked{Ops: ops, plan: p, arena: a, homes: homes}
}

// arena is memory of a fixed size that never moves.
type arena struct {
	words []uintptr
	used  int
}

// take reserves n bytes, rounded up to at least one word, and returns their index.
func (a *arena) take(n int) int {
	i := a.used
	a.used += max(1, (n+word-1)/word)
	_ = a.words[a.used-1] // words() counts exactly; a mistake there must not corrupt memory
	return i
}

func (a *arena) addr(i int) uintptr { return uintptr(unsafe.Pointer(&a.words[i])) }

func (a *arena) bytes(b string, nul int) uintptr {
	i := a.take(len(b) + nul)
	if len(b) > 0 {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&a.words[i])), len(b)), b)
	}
	return a.addr(i)
}

func (a *arena) link(op *launch.Op, s *Step, homes []*uintptr) {
	op.Nr = s.Call.Nr
	copy(op.Ignore[:], s.Ignore)
	if s.Save > 0 {
		op.Out = homes[s.Save]
	}
	in := 0
	for i, arg := range s.Args {
		switch arg.kind {
		case argNum, argFD:
			op.Args[i] = uintptr(arg.num)
		case argPtr:
			op.Args[i] = uintptr(arg.ptr)
		case argStr:
			op.Args[i] = a.bytes(arg.str, 1)
		case argBytes:
			op.Args[i] = a.bytes(string(arg.data), 0)
		case argVec:
			v := a.take((len(arg.vec) + 1) * word)
			for j, s := range arg.vec {
				a.words[v+j] = a.bytes(s, 1)
			}
			op.Args[i] = a.addr(v)
		case argSlot:
			op.In[in] = launch.In{Arg: uintptr(i), From: homes[arg.num]}
			in++
		case argRule:
			op.Args[i] = uintptr(unsafe.Pointer(homes[arg.slot])) - word
		}
	}
}

// words counts what Link will take.
func (p *Plan) words() int {
	n := p.Slots + 1
	up := func(bytes int) int { return max(1, (bytes+word-1)/word) }
	for _, s := range p.Steps {
		for _, a := range s.Args {
			switch a.kind {
			case argStr:
				n += up(len(a.str) + 1)
			case argBytes:
				n += up(len(a.data))
			case argVec:
				n += len(a.vec) + 1
				for _, s := range a.vec {
					n += up(len(s) + 1)
				}
			case argRule:
				n++ // the access word; the slot's own word is counted already
			}
		}
	}
	return n
}

// u64s is little-endian words, for structs the kernel reads.
func u64s(v ...uint64) []byte {
	b := make([]byte, 0, len(v)*word)
	for _, x := range v {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return b
}
