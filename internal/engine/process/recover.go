package process

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

	"rouse.dev/rouse/internal/engine"
)

// Recover implements engine.Engine.
func (e *Engine) Recover(ctx context.Context) (engine.Leftovers, error) {
	var l engine.Leftovers
	var errs []error
	var err error
	if l.Processes, l.Cgroups, err = e.groups.Recover(ctx); err != nil {
		errs = append(errs, err)
	}
	n, err := e.recoverMarked(ctx)
	l.Processes += n
	errs = append(errs, err)
	if e.cfg.Netns != nil {
		l.Namespaces, err = e.cfg.Netns.Recover(ctx)
		errs = append(errs, err)
	}
	for _, dir := range []string{"socket", "tmp", "instances"} {
		n, err := empty(e.cfg.path(dir))
		l.Files += n
		errs = append(errs, err)
	}
	n, err = e.recoverShm()
	l.Files += n
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return l, fmt.Errorf("cleaning up after an earlier server: %w", err)
	}
	return l, nil
}

// empty removes what is in a folder.
func empty(dir string) (int, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	f, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	errs := []error{err}
	for _, n := range names {
		errs = append(errs, root.RemoveAll(n))
	}
	return len(names), errors.Join(errs...)
}

// mark leaves a note for the next server where no control group would lead it
// to the process.
func (i *instance) mark() {
	if i.group != nil {
		return
	}
	s, ok := readStat(i.pid)
	if !ok {
		return
	}
	i.marker = filepath.Join(i.e.cfg.path("instances"), i.id)
	if err := os.WriteFile(i.marker, fmt.Appendf(nil, "%d %s\n", i.pid, s.start), 0o600); err != nil {
		i.e.log.Warn("cannot note an instance down; if this server is killed it may survive", "instance", i.id, "error", err)
	}
}

func (i *instance) unmark() {
	if i.marker != "" {
		_ = os.Remove(i.marker)
	}
}

// recoverMarked kills the processes that were noted down and still run.
func (e *Engine) recoverMarked(ctx context.Context) (int, error) {
	entries, err := os.ReadDir(e.cfg.path("instances"))
	if err != nil {
		return 0, err
	}
	n := 0
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(e.cfg.path("instances"), entry.Name()))
		if err != nil {
			continue
		}
		f := strings.Fields(string(text))
		if len(f) != 2 {
			continue
		}
		pid, err := strconv.Atoi(f[0])
		if err != nil || pid <= 1 {
			continue
		}
		n += killMarked(ctx, pid, f[1])
	}
	return n, nil
}

// killMarked ends a process and its session and waits until they are gone.
// The start time tells whether the number was given to another process.
func killMarked(ctx context.Context, pid int, start string) int {
	s, ok := readStat(pid)
	if ok && s.start != start {
		return 0
	}
	killed := map[int]bool{}
	for range 2000 {
		left := session(pid)
		if len(left) == 0 || ctx.Err() != nil {
			break
		}
		for _, p := range left {
			_ = unix.Kill(p, unix.SIGKILL)
			_ = unix.Kill(p, unix.SIGCONT)
			killed[p] = true
		}
		time.Sleep(time.Millisecond)
	}
	return len(killed)
}
