package netns

import (
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// threadNS is the calling thread's network namespace.
const threadNS = "/proc/thread-self/ns/net"

// visit runs enter and then f on an OS thread of its own, and brings that
// thread back into the namespace home. It returns when both have run. A
// thread that cannot come back ends here and is never seen by other
// goroutines.
func visit(home int, enter, f func() error) error {
	var err error
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		if err = enter(); err != nil {
			runtime.UnlockOSThread() // it never left
			return
		}
		err = f()
		if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
			return // still locked: the runtime ends this thread with the goroutine
		}
		runtime.UnlockOSThread()
	})
	wg.Wait()
	return err
}

// within runs f in the network namespace fd.
func within(home, fd int, f func() error) error {
	return visit(home, func() error { return unix.Setns(fd, unix.CLONE_NEWNET) }, f)
}

// unshared makes a new network namespace, runs f in it and returns the
// descriptor that keeps it alive.
func unshared(home int, f func(fd int) error) (int, error) {
	fd := -1
	err := visit(home, func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		return nil
	}, func() error {
		var err error
		fd, err = unix.Open(threadNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("opening the new network namespace: %w", err)
		}
		return f(fd)
	})
	if err != nil && fd >= 0 {
		_ = unix.Close(fd)
		fd = -1
	}
	return fd, err
}
