package cgroup

import (
	"context"
	"fmt"
	"time"

	"rouse.dev/rouse/internal/engine"
)

// Events are the limits a group has run into.
type Events struct {
	OOMKills int64 // processes the kernel killed for memory
	PidsMax  int64 // forks refused
}

// Events reads them.
func (g *Group) Events() Events {
	var e Events
	if dir, v2 := g.dir(memory); v2 {
		e.OOMKills = field(dir+"/memory.events", "oom_kill")
	} else if dir != "" {
		e.OOMKills = field(dir+"/memory.oom_control", "oom_kill")
	}
	if dir, _ := g.dir(pids); dir != "" {
		e.PidsMax = field(dir+"/pids.events", "max")
	}
	return e
}

// Usage reads what the group uses now; what no controller counts stays 0.
func (g *Group) Usage() engine.Usage {
	var u engine.Usage
	if dir, v2 := g.dir(memory); v2 {
		u.Memory, _ = number(dir + "/memory.current")
	} else if dir != "" {
		u.Memory, _ = number(dir + "/memory.usage_in_bytes")
	}
	if dir, v2 := g.dir(cpuacct); v2 {
		u.CPU = time.Duration(field(dir+"/cpu.stat", "usage_usec")) * time.Microsecond
	} else if dir != "" {
		ns, _ := number(dir + "/cpuacct.usage")
		u.CPU = time.Duration(ns)
	}
	if dir, _ := g.dir(pids); dir != "" {
		n, _ := number(dir + "/pids.current")
		u.Pids = int(n)
	}
	return u
}

// The wait between two looks at whether a group has come to rest.
const (
	freezeFirst = 50 * time.Microsecond
	freezeMax   = 5 * time.Millisecond
)

// Freeze stops every process of the group where it is, and returns when all
// stand still. It needs the freezer (see Tree.Has).
func (g *Group) Freeze(ctx context.Context) error {
	dir, v2 := g.dir(freezer)
	if err := g.setFrozen(dir, v2, true); err != nil {
		return err
	}
	wait := freezeFirst
	for !isFrozen(dir, v2) {
		if !v2 { // a process that forked meanwhile is caught by asking again
			if err := g.setFrozen(dir, v2, true); err != nil {
				return err
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("freezing: %w", context.Cause(ctx))
		case <-t.C:
		}
		wait = min(2*wait, freezeMax)
	}
	return nil
}

// Thaw lets the group run again.
func (g *Group) Thaw() error {
	dir, v2 := g.dir(freezer)
	return g.setFrozen(dir, v2, false)
}

func (g *Group) setFrozen(dir string, v2, on bool) error {
	switch {
	case v2 && on:
		return put(dir+"/cgroup.freeze", "1")
	case v2:
		return put(dir+"/cgroup.freeze", "0")
	case on:
		return put(dir+"/freezer.state", "FROZEN")
	}
	return put(dir+"/freezer.state", "THAWED")
}

func isFrozen(dir string, v2 bool) bool {
	if v2 {
		return field(dir+"/cgroup.events", "frozen") == 1
	}
	s, err := get(dir + "/freezer.state")
	return err == nil && s == "FROZEN"
}
