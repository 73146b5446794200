package process

import (
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
)

func TestMemoryLimit(t *testing.T) {
	e := newEngine(t)
	if !e.groups.Has("memory") {
		t.Skip("this host has no memory limit")
	}
	need(t, "python3")
	spec := command("oom", "python3", "-c", "x = bytearray(300 << 20); print('survived')")
	spec.Limits.Memory = 64 << 20
	out, exit := run(t, e, spec)
	if !exit.OOM || exit.Limit != "memory=64Mi" || exit.Signal != "killed" || exit.Code != -1 || strings.Contains(out, "survived") {
		t.Errorf("exit %+v, output %q", exit, out)
	}
	spec = command("fits", "python3", "-c", "x = bytearray(20 << 20); print('survived')")
	spec.Limits.Memory = 64 << 20
	if out, exit := run(t, e, spec); exit.OOM || exit.Code != 0 || out != "survived\n" {
		t.Errorf("within the limit: exit %+v, output %q", exit, out)
	}
}

func TestTmpCountsAndIsLimited(t *testing.T) {
	e := newEngine(t)
	spec := command("tmp", "bash", "-c", `
		head -c 20M /dev/zero > /tmp/big; ls -s --block-size=1K /tmp/big | cut -d' ' -f1
		rm /tmp/big; for i in $(seq 3000); do : > /tmp/$i || break; done 2>/tmp/1; ls /tmp | wc -l
		df --output=size -B1M /dev/shm | tail -1`)
	spec.Limits.Tmp = 4 << 20
	out, _ := run(t, e, spec)
	f := strings.Fields(out)
	if len(f) < 3 || f[len(f)-1] != "4" {
		t.Fatalf("output %q", out)
	}
	if !strings.Contains(out, "No space left on device") || !strings.Contains(out, "4096") {
		t.Errorf("20 MB fitted into 4: %q", out)
	}
	if !strings.Contains(out, "1023") {
		t.Errorf("want 1024 inodes at most: %q", out)
	}
}

func TestForkBombHitsItsLimitAlone(t *testing.T) {
	e := newEngine(t)
	if !e.groups.Has("pids") {
		t.Skip("this host has no process limit")
	}
	spec := probe(t, "bomb", "threads")
	spec.Limits.Pids = 40
	out, exit := run(t, e, spec)
	if exit.Limit != "pids=40" || exit.Code != 7 || !strings.Contains(out, "refused after") {
		t.Errorf("exit %+v, output %q", exit, out)
	}
	spec = command("bash-bomb", "bash", "-c", "f() { f | f & }; f; while :; do :; done")
	spec.Limits.Pids = 40
	i, _ := start(t, e, spec)
	if out, exit := run(t, e, command("neighbour", "bash", "-c", "echo $(echo alive)")); out != "alive\n" || exit.Code != 0 {
		t.Errorf("neighbour: %q %+v", out, exit)
	}
	if err := i.Stop(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestProcessorLimitThrottles(t *testing.T) {
	e := newEngine(t)
	if !e.groups.Has("cpu") {
		t.Skip("this host has no processor limit")
	}
	spec := probe(t, "slow", "count")
	spec.Limits.CPU = 100
	i, out := start(t, e, spec)
	began := time.Now()
	for range 4 { // more than the first period's share of 10 ms
		out.await(t, "\n")
		run(t, e, command("clock", "bash", "-c", "for i in $(seq 20000); do :; done"))
	}
	u, err := i.(engine.Meter).Usage()
	if err != nil {
		t.Fatal(err)
	}
	allowed := time.Since(began)/10 + 50*time.Millisecond
	if u.CPU > allowed {
		t.Errorf("used %v of processor time in %v at a tenth of a core", u.CPU, time.Since(began))
	}
}

// slowCounter counts what it is given.
type counter struct{ n atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

func TestMuchOutputBlocksNobody(t *testing.T) {
	e := newEngine(t)
	var n counter
	loud := command("loud", "head", "-c", "1G", "/dev/zero")
	loud.Stdout, loud.Stderr = &n, io.Discard
	i, _ := start(t, e, loud)
	stuck := command("stuck", "cat", "/dev/zero")
	gate := make(chan struct{})
	stuck.Stdout, stuck.Stderr = blockedWriter{gate}, io.Discard
	s, _ := start(t, e, stuck)
	began := time.Now()
	if out, _ := run(t, e, command("quiet", "echo", "hello")); out != "hello\n" {
		t.Errorf("output %q", out)
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("a neighbour took %v", d)
	}
	if exit := finish(t, i, newBuffer()); exit.Code != 0 || n.n.Load() != 1<<30 {
		t.Errorf("%d bytes, exit %+v", n.n.Load(), exit)
	}
	close(gate)
	if err := s.Stop(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

type blockedWriter struct{ gate chan struct{} }

func (w blockedWriter) Write(p []byte) (int, error) { <-w.gate; return len(p), nil }

func TestUsage(t *testing.T) {
	e := newEngine(t)
	i, out := start(t, e, probe(t, "use", "count"))
	out.await(t, "\n104857600\n")
	u, err := i.(engine.Meter).Usage()
	if err != nil || u.CPU <= 0 || u.Memory <= 0 || u.Pids < 1 {
		t.Errorf("usage %+v, error %v", u, err)
	}
	if err := i.Stop(context.Background(), 0); err != nil {
		t.Error(err)
	}
	if _, err := i.(engine.Meter).Usage(); err == nil {
		t.Error("usage of an ended instance")
	}
}
