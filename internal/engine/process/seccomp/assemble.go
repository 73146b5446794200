package seccomp

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// program is a list of instructions whose jumps name labels.
type program struct {
	code   []instruction
	labels map[string]int
	n      int // fresh labels made
}

type instruction struct {
	bpf.Instruction
	to string // where the jump goes, "" if it is none
}

func (p *program) emit(i bpf.Instruction) { p.code = append(p.code, instruction{Instruction: i}) }
func (p *program) ret(v uint32)           { p.emit(bpf.RetConstant{Val: v}) }

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = map[string]int{}
	}
	p.labels[name] = len(p.code)
}

func (p *program) fresh(name string) string {
	p.n++
	return fmt.Sprintf("%s %d", name, p.n)
}

// goTo jumps always. Its reach is not limited.
func (p *program) goTo(to string) {
	p.code = append(p.code, instruction{Instruction: bpf.Jump{}, to: to})
}

// jump goes to a label if the test holds, else on. A conditional jump reaches
// 255 instructions only, so it hops over an unconditional one.
func (p *program) jump(cond bpf.JumpTest, v uint32, to string) {
	p.emit(bpf.JumpIf{Cond: cond, Val: v, SkipTrue: 0, SkipFalse: 1})
	p.goTo(to)
}

func (p *program) assemble() ([]bpf.RawInstruction, error) {
	out := make([]bpf.Instruction, len(p.code))
	for i, in := range p.code {
		out[i] = in.Instruction
		if in.to == "" {
			continue
		}
		at, ok := p.labels[in.to]
		if !ok || at <= i {
			return nil, fmt.Errorf("jump to %q: no such label ahead", in.to)
		}
		out[i] = bpf.Jump{Skip: uint32(at - i - 1)}
	}
	return bpf.Assemble(out)
}
