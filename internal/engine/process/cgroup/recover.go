package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// recoverTime bounds how long Recover waits for killed processes to go.
const recoverTime = 10 * time.Second

// Recover kills every process in a group of this server and removes the
// groups. It must run before the first Acquire or Refill.
func (t *Tree) Recover(ctx context.Context) (processes, groups int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, recoverTime, errors.New("processes would not die"))
	defer cancel()
	names := map[string]bool{}
	killed := map[int]bool{}
	for _, base := range t.all() {
		entries, err := os.ReadDir(base)
		if err != nil {
			return 0, 0, err
		}
		for _, e := range entries {
			if e.IsDir() {
				names[e.Name()] = true
			}
		}
	}
	var errs []error
	for name := range names {
		errs = append(errs, t.empty(ctx, name, killed))
		g := &Group{t: t, name: name, into: -1}
		errs = append(errs, g.Remove())
	}
	return len(killed), len(names), errors.Join(errs...)
}

// empty kills until no hierarchy shows a process under name.
func (t *Tree) empty(ctx context.Context, name string, killed map[int]bool) error {
	for {
		left := 0
		for _, base := range t.all() {
			left += killAll(filepath.Join(base, name), killed)
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("emptying control group %s: %w", name, context.Cause(ctx))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// killAll sends SIGKILL to every process of a group and makes sure that it
// can act on it. It returns how many there were.
func killAll(dir string, killed map[int]bool) int {
	n := 0
	list, err := os.ReadFile(dir + "/cgroup.procs")
	if err != nil {
		return 0
	}
	_ = put(dir+"/cgroup.kill", "1") // at once, where the kernel can
	for f := range strings.FieldsSeq(string(list)) {
		if pid, err := strconv.Atoi(f); err == nil && pid > 1 && pid != os.Getpid() {
			_ = unix.Kill(pid, unix.SIGKILL)
			killed[pid] = true
			n++
		}
	}
	_ = put(dir+"/cgroup.freeze", "0")
	_ = put(dir+"/freezer.state", "THAWED")
	return n
}

// Kill sends SIGKILL to every process of the group.
func (g *Group) Kill() {
	for _, base := range g.t.all() {
		killAll(filepath.Join(base, g.name), map[int]bool{})
	}
}

// Close removes unused groups and the server's folders.
func (t *Tree) Close() error {
	t.mu.Lock()
	spares := t.spares
	t.spares = nil
	t.mu.Unlock()
	var errs []error
	for _, g := range spares {
		errs = append(errs, g.Remove())
	}
	for _, base := range t.all() {
		errs = append(errs, ignoreMissing(unix.Rmdir(base)))
		_ = unix.Rmdir(filepath.Dir(base)) // other servers may still use it
	}
	return errors.Join(errs...)
}
