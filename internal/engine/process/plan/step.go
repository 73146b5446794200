package plan

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"
)

// Plan is the list of calls that make one sandbox.
type Plan struct {
	Flags uintptr // CLONE_NEW* for the clone itself
	Steps []Step
	Slots int // results kept for later steps
}

// Step is one system call.
type Step struct {
	// Name says what it is for, as in "mounting /usr read-only: operation not
	// permitted".
	Name string
	Call Call
	Args []Arg
	// Save keeps the result in this slot, counted from 1; 0: not kept.
	Save int
	// Ignore are errors that count as success, at most four.
	Ignore []syscall.Errno
}

// Call is a system call by name and number.
type Call struct {
	Name string
	Nr   uintptr
}

type argKind uint8

const (
	argNum   argKind = iota
	argFD            // a descriptor of the parent, inherited by the child
	argStr           // NUL-terminated
	argBytes         // as is
	argVec           // NULL-terminated vector of strings
	argSlot          // result of an earlier step
	argPtr           // memory somebody else laid out
	argRule          // a Landlock path rule whose descriptor is a slot
)

// Arg is one argument of a call.
type Arg struct {
	kind argKind
	num  uint64 // number, descriptor, slot, or the access of a rule
	slot int    // of a rule
	str  string // text, or the note a number prints with
	data []byte
	vec  []string
	ptr  unsafe.Pointer
}

// Num is a plain number.
func Num(n uint64) Arg { return Arg{kind: argNum, num: n} }

// Flags is a number that prints as text.
func Flags(n uint64, text string) Arg { return Arg{kind: argNum, num: n, str: text} }

// FD is a descriptor of the parent; it prints as what it is open on.
func FD(fd int, what string) Arg { return Arg{kind: argFD, num: uint64(fd), str: what} }

// Str is a pointer to a NUL-terminated string.
func Str(s string) Arg { return Arg{kind: argStr, str: s} }

// Bytes is a pointer to b, which prints as what.
func Bytes(b []byte, what string) Arg { return Arg{kind: argBytes, data: b, str: what} }

// Vec is a pointer to a NULL-terminated vector of strings, which prints as
// what, or in full if what is "".
func Vec(v []string, what string) Arg { return Arg{kind: argVec, vec: v, str: what} }

// Ptr is a pointer to memory that never changes, which prints as what.
func Ptr(p unsafe.Pointer, what string) Arg { return Arg{kind: argPtr, ptr: p, str: what} }

// Slot is the result of the step that saved it.
func Slot(n int) Arg { return Arg{kind: argSlot, num: uint64(n)} }

// rule is a Landlock rule for the file hierarchy below the descriptor in a
// slot. A slot can be in one rule only.
func rule(access uint64, slot int) Arg { return Arg{kind: argRule, num: access, slot: slot} }

// String prints the plan, one call a line.
func (p *Plan) String() string {
	var b strings.Builder
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "# %s\n", s.Name)
		if s.Save > 0 {
			fmt.Fprintf(&b, "$%d = ", s.Save)
		}
		b.WriteString(s.Call.Name + "(")
		for i, a := range s.Args {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(a.String())
		}
		b.WriteString(")")
		for _, e := range s.Ignore {
			fmt.Fprintf(&b, " or %d", int(e))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (a Arg) String() string {
	switch a.kind {
	case argFD:
		return "<" + a.str + ">"
	case argStr:
		return fmt.Sprintf("%q", a.str)
	case argBytes, argPtr:
		return "<" + a.str + ">"
	case argVec:
		if a.str != "" {
			return "<" + a.str + ">"
		}
		return fmt.Sprintf("%q", a.vec)
	case argSlot:
		return fmt.Sprintf("$%d", a.num)
	case argRule:
		return fmt.Sprintf("{access %#x, $%d}", a.num, a.slot)
	}
	if a.str != "" {
		return a.str
	}
	return fmt.Sprintf("%d", a.num)
}
