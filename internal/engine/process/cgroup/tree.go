package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
)

// Config says where groups go.
type Config struct {
	// Root is the folder made at the top of each hierarchy, "rouse" if empty.
	Root string
	// ServerID is the folder below it.
	ServerID string
	// Try starts a process that joins a group and ends: into is a version 2
	// group it is born in (-1: none), tasks are files it writes "0" to.
	Try func(into int, tasks []int) error
}

// The controllers in use.
const (
	memory  = "memory"
	cpu     = "cpu"
	cpuacct = "cpuacct"
	pids    = "pids"
	freezer = "freezer"
)

// Tree is where this server's groups are. After Open it only hands out
// groups; all methods may be called from several goroutines.
type Tree struct {
	dirs    map[string]string // controller → folder of the server in a version 1 hierarchy, or unified
	unified string            // folder of the server in version 2; "" if unusable
	bases   []string          // distinct folders of dirs, without unified
	checks  []engine.Check

	mu     sync.Mutex
	seq    int      // guarded by mu
	spares []*Group // made, not yet used; guarded by mu
}

// Open finds the hierarchies and tries each controller: it makes a group,
// sets a limit and puts a process in it. Nothing that fails is an error; the
// Checks say what there is.
func Open(cfg Config) *Tree {
	t := &Tree{dirs: map[string]string{}}
	if cfg.Root == "" {
		cfg.Root = "rouse"
	}
	mounts, err := readMounts()
	if err != nil {
		t.checks = append(t.checks, engine.Check{Name: "control groups", Detail: err.Error(), Fix: "mount /proc"})
		return t
	}
	t.openUnified(cfg, mounts)
	for _, c := range []string{memory, cpu, pids, freezer, cpuacct} {
		t.openController(cfg, mounts, c)
	}
	for _, d := range t.dirs {
		if d != t.unified && !slices.Contains(t.bases, d) {
			t.bases = append(t.bases, d)
		}
	}
	slices.Sort(t.bases)
	return t
}

// openUnified makes the server's folder in version 2 and tries to start a
// process in a group there.
func (t *Tree) openUnified(cfg Config, mounts []mount) {
	var errs []error
	for _, m := range mounts {
		if !m.v2 {
			continue
		}
		for _, parent := range []string{m.dir, filepath.Join(m.dir, m.own)} {
			dir, err := makeUnified(parent, cfg)
			if err == nil {
				err = tryUnified(dir, cfg)
			}
			if err == nil {
				t.unified = dir
				t.check("process groups (cgroup v2)", dir, nil, "")
				return
			}
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		t.check("process groups (cgroup v2)", "", errors.Join(errs...), "")
	}
}

// makeUnified makes the folder and turns on whichever of our controllers the
// hierarchy has.
func makeUnified(parent string, cfg Config) (string, error) {
	dir := filepath.Join(parent, cfg.Root, cfg.ServerID)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, d := range []string{parent, filepath.Dir(dir), dir} {
		for _, c := range []string{memory, cpu, pids} {
			// A controller that is not there is found out by its own check.
			_ = put(d+"/cgroup.subtree_control", "+"+c)
		}
	}
	return dir, nil
}

func tryUnified(dir string, cfg Config) error {
	return inProbe(dir, func(probe string) error {
		fd, err := unix.Open(probe, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := put(probe+"/cgroup.freeze", "0"); err != nil {
			return err
		}
		return cfg.Try(fd, nil)
	})
}

// openController finds the hierarchy that has a controller.
func (t *Tree) openController(cfg Config, mounts []mount, name string) {
	var errs []error
	if t.unified != "" {
		err := inProbe(t.unified, func(probe string) error { return setTrial(probe, name, true) })
		if err == nil {
			t.dirs[name] = t.unified
			t.check(title[name]+" (cgroup v2)", t.unified, nil, "")
			return
		}
	}
	for _, m := range mounts {
		if m.v2 || !slices.Contains(m.controllers, name) {
			continue
		}
		for _, parent := range []string{m.dir, filepath.Join(m.dir, m.own)} {
			dir := filepath.Join(parent, cfg.Root, cfg.ServerID)
			err := tryV1(dir, name, cfg)
			if err == nil {
				t.dirs[name] = dir
				t.check(title[name]+" (cgroup v1)", dir, nil, "")
				return
			}
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		errs = append(errs, errors.New("no hierarchy has this controller"))
	}
	t.check(title[name], "", errors.Join(errs...), "run as root, or have a control group delegated (systemd: Delegate=yes)")
}

func tryV1(dir, name string, cfg Config) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return inProbe(dir, func(probe string) error {
		if err := setTrial(probe, name, false); err != nil {
			return err
		}
		fd, err := unix.Open(probe+"/tasks", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return cfg.Try(-1, []int{fd})
	})
}

// title is how a controller's check is called.
var title = map[string]string{memory: "memory limit", cpu: "processor limit", pids: "process limit", freezer: "freezer", cpuacct: "processor accounting"}

// setTrial sets something the controller of a fresh group must accept.
func setTrial(dir, name string, v2 bool) error {
	const limit = 64 << 20
	switch {
	case name == memory && v2:
		return put(dir+"/memory.max", strconv.Itoa(limit))
	case name == memory:
		return put(dir+"/memory.limit_in_bytes", strconv.Itoa(limit))
	case name == cpu && v2:
		return put(dir+"/cpu.max", "50000 100000")
	case name == cpu:
		return put(dir+"/cpu.cfs_quota_us", "50000")
	case name == pids:
		return put(dir+"/pids.max", "64")
	case name == freezer && v2:
		return put(dir+"/cgroup.freeze", "0")
	case name == freezer:
		return put(dir+"/freezer.state", "THAWED")
	case v2:
		_, err := get(dir + "/cpu.stat")
		return err
	}
	_, err := number(dir + "/cpuacct.usage")
	return err
}

// inProbe makes a group for do and removes it.
func inProbe(base string, do func(dir string) error) error {
	dir := fmt.Sprintf("%s/probe-%d", base, os.Getpid())
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return errors.Join(do(dir), remove(dir))
}

func (t *Tree) check(name, detail string, err error, fix string) {
	c := engine.Check{Name: name, OK: err == nil, Detail: detail}
	if err != nil {
		c.Detail, c.Fix = strings.ReplaceAll(err.Error(), "\n", "; "), fix
	}
	t.checks = append(t.checks, c)
}

// Checks says which controllers work and how.
func (t *Tree) Checks() []engine.Check { return slices.Clone(t.checks) }

// Has says whether a controller works: "memory", "cpu", "pids", "freezer".
func (t *Tree) Has(controller string) bool { return t.dirs[controller] != "" }

// Any says whether there are groups at all.
func (t *Tree) Any() bool { return len(t.all()) > 0 }

// all returns every folder of the server.
func (t *Tree) all() []string {
	if t.unified == "" {
		return t.bases
	}
	return append([]string{t.unified}, t.bases...)
}

// Dirs returns the folders of this server.
func (t *Tree) Dirs() []string { return t.all() }

// Hide makes the tree forget a controller, so that what does without it can be
// tested on a host that has it. It must come before the first Acquire.
func (t *Tree) Hide(controller string) { delete(t.dirs, controller) }
