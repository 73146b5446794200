package process

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// freezeTime bounds a freeze: a process in an uninterruptible call must not
// hold its caller.
const freezeTime = 5 * time.Second

// Freeze implements engine.Freezer.
func (i *instance) Freeze(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.frozen {
		return nil
	}
	i.handles.RLock()
	defer i.handles.RUnlock()
	if i.released {
		return fn.Errorf(fn.Unavailable, "freezing %s: %w", i.id, os.ErrProcessDone)
	}
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	i.frozen = true // also if it fails half-way: the next thaw puts it right
	err := i.freezeProcesses(ctx)
	if err != nil {
		i.frozen = false
		_ = i.thawProcesses()
		return fmt.Errorf("freezing %s: %w", i.id, err)
	}
	return nil
}

// Thaw implements engine.Freezer.
func (i *instance) Thaw(context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.thawLocked()
}

func (i *instance) thawLocked() error {
	if !i.frozen {
		return nil
	}
	i.handles.RLock()
	defer i.handles.RUnlock()
	if i.released {
		i.frozen = false
		return nil
	}
	if err := i.thawProcesses(); err != nil {
		return fmt.Errorf("thawing %s: %w", i.id, err)
	}
	i.frozen = false
	return nil
}

func (i *instance) freezeProcesses(ctx context.Context) error {
	if i.group != nil && i.e.groups.Has("freezer") {
		return i.group.Freeze(ctx)
	}
	return i.stopAll(ctx)
}

func (i *instance) thawProcesses() error {
	if i.group != nil && i.e.groups.Has("freezer") {
		return i.group.Thaw()
	}
	for _, pid := range i.processes() {
		_ = unix.Kill(pid, unix.SIGCONT)
	}
	return nil
}

// stopAll stops each process with SIGSTOP and looks again until no new one
// has appeared and all stand still.
func (i *instance) stopAll(ctx context.Context) error {
	for {
		running := 0
		for _, pid := range i.processes() {
			if !stopped(pid) {
				running++
				_ = unix.Kill(pid, unix.SIGSTOP)
			}
		}
		if running == 0 {
			return nil
		}
		t := time.NewTimer(200 * time.Microsecond)
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}

// Usage implements engine.Meter.
func (i *instance) Usage() (engine.Usage, error) {
	i.handles.RLock()
	defer i.handles.RUnlock()
	if i.released {
		return engine.Usage{}, fn.Errorf(fn.Unavailable, "measuring %s: %w", i.id, os.ErrProcessDone)
	}
	var u engine.Usage
	if i.group != nil {
		u = i.group.Usage()
	}
	if u.Memory == 0 || u.Pids == 0 || u.CPU == 0 {
		i.estimate(&u)
	}
	return u, nil
}
