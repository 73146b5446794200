package process

import "golang.org/x/sys/unix"

// cleanup collects what has to be undone, newest first.
type cleanup []func()

func (c *cleanup) add(f func()) { *c = append(*c, f) }

func (c *cleanup) closeFD(fd int) { c.add(func() { _ = unix.Close(fd) }) }

func (c *cleanup) run() {
	for i := len(*c) - 1; i >= 0; i-- {
		(*c)[i]()
	}
	*c = nil
}
