package process

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// traces are what instances could leave on the host.
type traces struct {
	fds, mounts, groups, files, processes int
}

func countTraces(t *testing.T, e *Engine) traces {
	t.Helper()
	count := func(dir string) int {
		d, err := os.ReadDir(dir)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return len(d)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	tr := traces{fds: count("/proc/self/fd"), mounts: strings.Count(string(mounts), "\n")}
	for _, dir := range []string{"socket", "tmp", "instances", "view"} {
		tr.files += count(e.cfg.path(dir))
	}
	for _, dir := range e.groups.Dirs() {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if entry.IsDir() {
				tr.groups++
			}
		}
	}
	scan(func(_ int, s procStat) {
		if s.parent == os.Getpid() {
			tr.processes++
		}
	})
	return tr
}

func TestManyInstancesLeaveNothing(t *testing.T) {
	e := newEngine(t, func(c *Config) { c.SpareGroups = 1 })
	root := testPrograms(t)
	round := func(n, k int) {
		spec := command(fmt.Sprintf("r%d-%d", n, k), "./server")
		spec.Root, spec.Program.Dir, spec.Program.Listen = root, "", fn.ListenSocket
		spec.Revision.Ref.Name = fmt.Sprintf("f%d", k)
		i, err := e.Start(t.Context(), spec)
		if err != nil {
			t.Error(err)
			return
		}
		if n%3 > 0 {
			if _, err := ask(i); err != nil {
				t.Error(err)
			}
		}
		if n%3 == 1 {
			if err := i.(engine.Freezer).Freeze(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := i.Stop(t.Context(), time.Duration(n%2)*time.Second); err != nil {
			t.Error(err)
		}
	}
	all := func(from, to int) {
		for n := from; n < to; n++ {
			var wg sync.WaitGroup
			for k := range 3 {
				wg.Go(func() { round(n, k) })
			}
			wg.Wait()
		}
	}
	all(0, 5) // views, user namespaces and spares are kept on purpose
	settle(e)
	before := countTraces(t, e)
	all(5, 105)
	settle(e)
	if after := countTraces(t, e); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for _, dir := range e.groups.Dirs() {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}

// settle makes the keeper's spares complete, so that they do not count.
func settle(e *Engine) { _ = e.groups.Refill(1) }

func TestManyAtOnce(t *testing.T) {
	e := newEngine(t)
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			i, err := e.Start(t.Context(), server(t, fmt.Sprintf("m%d", n), fn.ListenSocket))
			if err != nil {
				t.Error(err)
				return
			}
			if body, err := ask(i); err != nil || body != "hello from 1000" {
				t.Error(body, err)
			}
			if err := i.Stop(t.Context(), 10*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestCloseKillsWhatRuns(t *testing.T) {
	e := newEngine(t)
	var all []engine.Instance
	for n := range 5 {
		i, out := start(t, e, probe(t, fmt.Sprintf("c%d", n), "ignore-term"))
		out.await(t, "ready")
		all = append(all, i)
	}
	if err := all[0].(engine.Freezer).Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		select {
		case <-i.Done():
		default:
			t.Errorf("%s survived", i.ID())
		}
	}
	if _, err := e.Start(t.Context(), command("late", "true")); fn.KindOf(err) != fn.Unavailable {
		t.Errorf("start after close: %v", err)
	}
}
