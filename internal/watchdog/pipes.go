package watchdog

import (
	"errors"
	"os"

	"rouse.dev/rouse/internal/fn"
)

// pipes connects one program. The first three ends are ours.
type pipes struct {
	stdin, stdout, stderr *os.File
	ends                  [3]*os.File // the program's
}

func openPipes() (*pipes, error) {
	p := &pipes{}
	var errs [3]error
	p.ends[0], p.stdin, errs[0] = os.Pipe()
	p.stdout, p.ends[1], errs[1] = os.Pipe()
	p.stderr, p.ends[2], errs[2] = os.Pipe()
	if err := errors.Join(errs[:]...); err != nil {
		p.closeAll()
		return nil, fn.Errorf(fn.Exhausted, "opening pipes: %w", err)
	}
	return p, nil
}

// child returns the descriptors the program gets. Fd sets them blocking,
// which is what programs expect.
func (p *pipes) child() []uintptr {
	return []uintptr{p.ends[0].Fd(), p.ends[1].Fd(), p.ends[2].Fd()}
}

func (p *pipes) closeChild() {
	for i, f := range p.ends {
		f.Close()
		p.ends[i] = nil
	}
}

// closeAll closes what is still open; closing twice is harmless.
func (p *pipes) closeAll() {
	for _, f := range append(p.ends[:], p.stdin, p.stdout, p.stderr) {
		if f != nil {
			f.Close()
		}
	}
}
