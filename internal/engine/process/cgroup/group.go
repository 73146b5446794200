package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// Group is one instance's control group. Its methods are called by one
// goroutine at a time, except that the reading ones may run beside others.
type Group struct {
	t    *Tree
	name string
	into int // version 2 folder, open; -1 if there is none
}

// Joiner is how a process gets into one hierarchy of a group.
type Joiner struct {
	Name string // of the hierarchy's folder: "memory"
	FD   int    // its tasks file, to write "0" to; close-on-exec
}

// Acquire returns a fresh group with limits set. Errors wrap an fn.Kind.
func (t *Tree) Acquire(l fn.Limits) (*Group, error) {
	g, err := t.take()
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "making a control group: %w", err)
	}
	if err := g.limit(l); err != nil {
		return nil, fn.Errorf(fn.Internal, "limiting a control group: %w", errors.Join(err, g.Remove()))
	}
	return g, nil
}

func (t *Tree) take() (*Group, error) {
	t.mu.Lock()
	if n := len(t.spares); n > 0 {
		g := t.spares[n-1]
		t.spares = t.spares[:n-1]
		t.mu.Unlock()
		return g, nil
	}
	t.mu.Unlock()
	return t.make()
}

// Refill makes groups ahead of need until there are n.
func (t *Tree) Refill(n int) error {
	for {
		t.mu.Lock()
		full := len(t.spares) >= n
		t.mu.Unlock()
		if full {
			return nil
		}
		g, err := t.make()
		if err != nil {
			return err
		}
		t.mu.Lock()
		t.spares = append(t.spares, g)
		t.mu.Unlock()
	}
}

// make makes the folders under a name that is new in every hierarchy.
func (t *Tree) make() (*Group, error) {
	for {
		t.mu.Lock()
		t.seq++
		g := &Group{t: t, name: "g" + strconv.Itoa(t.seq), into: -1}
		t.mu.Unlock()
		err := g.mkdirs()
		if err == nil {
			return g, nil
		}
		err = errors.Join(err, g.Remove())
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

func (g *Group) mkdirs() error {
	for _, base := range g.t.all() {
		if err := os.Mkdir(base+"/"+g.name, 0o755); err != nil {
			return err
		}
	}
	if g.t.unified == "" {
		return nil
	}
	fd, err := unix.Open(g.t.unified+"/"+g.name, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	g.into = fd
	return nil
}

// dir returns the group's folder where a controller lives, "" if nowhere.
func (g *Group) dir(controller string) (dir string, v2 bool) {
	base := g.t.dirs[controller]
	if base == "" {
		return "", false
	}
	return base + "/" + g.name, base == g.t.unified
}

// cpuPeriod is the time over which the processor limit is counted.
const cpuPeriod = 100 * time.Millisecond

func (g *Group) limit(l fn.Limits) error {
	var errs []error
	set := func(controller, v1, v2, value string) {
		dir, isV2 := g.dir(controller)
		switch {
		case dir == "":
		case isV2 && v2 != "":
			errs = append(errs, put(dir+"/"+v2, value))
		case !isV2 && v1 != "":
			errs = append(errs, put(dir+"/"+v1, value))
		}
	}
	if l.Memory > 0 {
		bytes := strconv.FormatInt(l.Memory, 10)
		set(memory, "memory.limit_in_bytes", "memory.max", bytes)
		// Swap is refused; kernels without swap accounting lack the files.
		if dir, v2 := g.dir(memory); v2 {
			errs = append(errs, ignoreMissing(put(dir+"/memory.swap.max", "0")))
		} else if dir != "" {
			errs = append(errs, ignoreMissing(put(dir+"/memory.memsw.limit_in_bytes", bytes)))
		}
	}
	if l.CPU > 0 && l.CPU < 1000*runtime.NumCPU() {
		// A limit that cannot bind is not set: keeping a quota costs a
		// function that wakes often several µs a call.
		quota := max(1000, int64(l.CPU)*cpuPeriod.Microseconds()/1000)
		set(cpu, "cpu.cfs_quota_us", "", strconv.FormatInt(quota, 10))
		set(cpu, "", "cpu.max", fmt.Sprintf("%d %d", quota, cpuPeriod.Microseconds()))
	}
	if l.Pids > 0 {
		set(pids, "pids.max", "pids.max", strconv.Itoa(l.Pids))
	}
	return errors.Join(errs...)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Into returns the version 2 folder a process is to be born in, -1 if there
// is none. It belongs to the group.
func (g *Group) Into() int { return g.into }

// Settled says that the group's process exists: Into is no longer needed.
func (g *Group) Settled() {
	if g.into >= 0 {
		_ = unix.Close(g.into)
		g.into = -1
	}
}

// Joiners opens the tasks file of each version 1 hierarchy. The caller closes
// them.
func (g *Group) Joiners() ([]Joiner, error) {
	var out []Joiner
	for _, base := range g.t.bases {
		fd, err := unix.Open(base+"/"+g.name+"/tasks", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			for _, j := range out {
				_ = unix.Close(j.FD)
			}
			return nil, fmt.Errorf("opening control group %s: %w", base, err)
		}
		out = append(out, Joiner{Name: g.t.controllerOf(base), FD: fd})
	}
	return out, nil
}

// controllerOf names a hierarchy for messages.
func (t *Tree) controllerOf(base string) string {
	for _, c := range []string{memory, cpu, pids, freezer, cpuacct} {
		if t.dirs[c] == base {
			return c
		}
	}
	return filepath.Base(base)
}

// removeTries and removeWait bound the wait for a group to become empty: the
// kernel lets go of a process some time after its death was reported.
const (
	removeTries = 40
	removeWait  = 50 * time.Millisecond
)

// Remove takes the group away once its processes are gone.
func (g *Group) Remove() error {
	var errs []error
	if g.into >= 0 {
		errs = append(errs, unix.Close(g.into))
		g.into = -1
	}
	for _, base := range g.t.all() {
		errs = append(errs, remove(base+"/"+g.name))
	}
	return errors.Join(errs...)
}

func remove(dir string) error {
	wait := time.Millisecond
	for range removeTries {
		err := unix.Rmdir(dir)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EBUSY {
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
		time.Sleep(wait)
		wait = min(2*wait, removeWait)
	}
	return &fs.PathError{Op: "rmdir", Path: dir, Err: unix.EBUSY}
}
