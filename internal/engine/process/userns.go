package process

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine/process/launch"
	"rouse.dev/rouse/internal/engine/process/plan"
)

// userSpaces keeps a user namespace for each uid in use: entering one that
// exists is far cheaper than making one at every start.
type userSpaces struct {
	forkers *launch.Forkers

	mu  sync.Mutex
	fds map[int]*userSpace // by uid; guarded by mu
}

type userSpace struct {
	fd   int
	uses int // guarded by userSpaces.mu
}

// maxIdleUserSpaces bounds the descriptors held for functions that sleep.
const maxIdleUserSpaces = 1024

// get returns the namespace of a uid; put gives it back.
func (u *userSpaces) get(ctx context.Context, uid int) (fd int, put func(), err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.fds[uid]
	if s == nil {
		fd, err := u.make(ctx, uid)
		if err != nil {
			return -1, nil, err
		}
		u.evictLocked()
		s = &userSpace{fd: fd}
		u.fds[uid] = s
	}
	s.uses++
	return s.fd, func() {
		u.mu.Lock()
		s.uses--
		u.mu.Unlock()
	}, nil
}

func (u *userSpaces) evictLocked() {
	for uid, s := range u.fds {
		if len(u.fds) < maxIdleUserSpaces {
			return
		}
		if s.uses == 0 {
			_ = unix.Close(s.fd)
			delete(u.fds, uid)
		}
	}
}

// makeTries is how often making a namespace is tried: a sandbox started at
// the same moment clears the flag that lets the maker read its own /proc.
const makeTries = 20

func (u *userSpaces) make(ctx context.Context, uid int) (int, error) {
	p, slot := plan.UserNS(uid, uid)
	for try := 1; ; try++ {
		linked := p.Link()
		err := u.forkers.Run(ctx, &launch.Request{Flags: p.Flags, Cgroup: -1, Ops: linked.Ops, Keep: linked})
		if err == nil {
			return int(linked.Slot(slot)), nil
		}
		if !errors.Is(err, unix.EACCES) || try == makeTries {
			return -1, fmt.Errorf("making a user namespace: %w", explain(p, err))
		}
	}
}

func (u *userSpaces) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for uid, s := range u.fds {
		_ = unix.Close(s.fd)
		delete(u.fds, uid)
	}
}
