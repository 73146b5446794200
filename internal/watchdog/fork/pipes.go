package fork

import (
	"errors"
	"os"

	"rouse.dev/rouse/internal/fn"
)

// Pipes connects one program. The three named ends are ours.
type Pipes struct {
	Stdin, Stdout, Stderr *os.File
	ends                  [3]*os.File // the program's
}

// OpenPipes makes the pipes; it is Exhausted when there are no descriptors.
func OpenPipes() (*Pipes, error) {
	p := &Pipes{}
	var errs [3]error
	p.ends[0], p.Stdin, errs[0] = os.Pipe()
	p.Stdout, p.ends[1], errs[1] = os.Pipe()
	p.Stderr, p.ends[2], errs[2] = os.Pipe()
	if err := errors.Join(errs[:]...); err != nil {
		p.Close()
		return nil, fn.Errorf(fn.Exhausted, "opening pipes: %w", err)
	}
	return p, nil
}

// Child returns the descriptors the program gets. Fd sets them blocking, which
// is what programs expect.
func (p *Pipes) Child() []uintptr {
	return []uintptr{p.ends[0].Fd(), p.ends[1].Fd(), p.ends[2].Fd()}
}

// CloseChild closes the program's ends, once it has its own.
func (p *Pipes) CloseChild() {
	for i, f := range p.ends {
		f.Close()
		p.ends[i] = nil
	}
}

// Close closes what is still open; closing twice is harmless.
func (p *Pipes) Close() {
	for _, f := range append(p.ends[:], p.Stdin, p.Stdout, p.Stderr) {
		if f != nil {
			f.Close()
		}
	}
}
