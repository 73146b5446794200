package enginetest

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func crowdCases() []testCase {
	return []testCase{{"thirty-two starts at once", crowdStarts}}
}

func crowdStarts(t *testing.T, s *suite) {
	const n = 32
	e := s.engine(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	pids := map[string]bool{}
	for i := range n {
		wg.Go(func() {
			listen := fn.ListenSocket
			if i%4 == 0 && s.opts.Network {
				listen = fn.ListenPort
			}
			spec := s.server(listen)
			r, err := tryStart(t.Context(), e, spec)
			if err != nil {
				t.Error("starting:", err)
				return
			}
			if listen == fn.ListenSocket {
				if err := pingOnce(t.Context(), r); err != nil {
					t.Error("the first call:", err)
				}
			}
			mu.Lock()
			pids[r.ID()] = true
			mu.Unlock()
			if err := r.Stop(t.Context(), 0); err != nil {
				t.Error("stopping:", err)
			}
		})
	}
	wg.Wait()
	if len(pids) != n {
		t.Errorf("%d of %d came up", len(pids), n)
	}
}

func meterCases() []testCase {
	return []testCase{
		{"use is read while it runs", meterRuns},
		{"the exit says how much time it took", meterExit},
	}
}

func usage(t *testing.T, r *running) engine.Usage {
	t.Helper()
	m, ok := r.Instance.(engine.Meter)
	if !ok {
		t.Fatalf("%T has no meter", r.Instance)
	}
	u, err := m.Usage()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func meterRuns(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	r.ask(t, "ping")
	first := usage(t, r)
	if first.Pids < 1 || first.Memory < 100<<10 || first.CPU <= 0 {
		t.Errorf("a running program uses %+v", first)
	}
	r.ask(t, "alloc 32")
	r.ask(t, "spin")
	if u := usage(t, r); u.Memory < first.Memory+30<<20 {
		t.Errorf("32 MiB more are told as %d → %d bytes", first.Memory, u.Memory)
	}
	eventually(t, "for the time used to grow", func() bool { return usage(t, r).CPU > first.CPU+20*time.Millisecond })
}

func meterExit(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	r.ask(t, "spin")
	eventually(t, "for the program to work", func() bool { return usage(t, r).CPU > 50*time.Millisecond })
	if err := r.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if cpu := r.Exit().CPU; cpu < 50*time.Millisecond || cpu > limit {
		t.Errorf("it is said to have used %s", cpu)
	}
}

func limitCases() []testCase {
	return []testCase{
		{"too much memory ends it, and it is told", limitMemory},
		{"a neighbour's memory does not count", limitNeighbour},
		{"processes are bounded", limitPids},
		{"tmp is bounded", limitTmp},
		{"processor time is bounded", limitCPU},
	}
}

func limitMemory(t *testing.T, s *suite) {
	need(t, s.opts.Memory)
	spec := s.server(fn.ListenSocket)
	spec.Limits.Memory = 64 << 20
	r := s.start(t, s.engine(t), spec)
	if got := r.ask(t, "alloc 8"); got != "8" {
		t.Fatal("within the limit:", got)
	}
	c := dial(t, r)
	defer c.Close()
	if _, err := io.WriteString(c, "alloc 512\n"); err != nil {
		t.Fatal(err)
	}
	exit := r.wait(t)
	if !exit.OOM || exit.Limit != "memory=64Mi" || exit.Code != -1 {
		t.Errorf("running out of memory is told as %+v", exit)
	}
}

func limitNeighbour(t *testing.T, s *suite) {
	need(t, s.opts.Memory)
	e := s.engine(t)
	small := s.server(fn.ListenSocket)
	small.Limits.Memory = 32 << 20
	large := s.server(fn.ListenSocket)
	a, b := s.start(t, e, small), s.start(t, e, large)
	if got := b.ask(t, "alloc 100"); got != "100" {
		t.Error(got)
	}
	if got := a.ask(t, "ping"); got != "pong" {
		t.Error(got)
	}
}

func limitPids(t *testing.T, s *suite) {
	need(t, s.opts.Pids)
	spec := s.server(fn.ListenSocket)
	spec.Limits.Pids = 64
	r := s.start(t, s.engine(t), spec)
	var n int
	var reason string
	got := r.ask(t, "fork 200 "+r.token)
	if _, err := fmt.Sscanf(got, "%d", &n); err != nil {
		t.Fatal(got, err)
	}
	_, reason, _ = strings.Cut(got, " ")
	if n == 0 || n >= 64 || reason == "<nil>" {
		t.Errorf("with a limit of 64 it started %d processes: %s", n, reason)
	}
	if got := r.ask(t, "ping"); got != "pong" {
		t.Error("afterwards:", got)
	}
}

func limitTmp(t *testing.T, s *suite) {
	need(t, s.opts.Tmp)
	spec := s.server(fn.ListenSocket)
	spec.Limits.Tmp = 1 << 20
	r := s.start(t, s.engine(t), spec)
	if got := r.ask(t, "write /tmp/a 262144"); got != "<nil>" {
		t.Error("within the limit:", got)
	}
	if got := r.ask(t, "write /tmp/b 4194304"); !strings.Contains(got, "no space left") {
		t.Error("beyond it:", got)
	}
}

func limitCPU(t *testing.T, s *suite) {
	need(t, s.opts.CPU && s.opts.Meter)
	spec := s.server(fn.ListenSocket)
	spec.Limits.CPU = 200
	r := s.start(t, s.engine(t), spec)
	r.ask(t, "spin")
	first, began := usage(t, r).CPU, time.Now()
	const work = 150 * time.Millisecond
	eventually(t, "for the program to work", func() bool { return usage(t, r).CPU > first+work })
	if took := time.Since(began); took < work*2 {
		t.Errorf("a fifth of a processor did %s of work in %s", work, took)
	}
}

func need(t *testing.T, has bool) {
	t.Helper()
	if !has {
		t.Skip("this engine, or this host, does not enforce it")
	}
}
