package process

import (
	"context"
	"strings"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
)

func TestExitSaysHowItEnded(t *testing.T) {
	e := newEngine(t)
	need(t, "python3")
	if _, exit := run(t, e, command("segv", "python3", "-c", "import ctypes; ctypes.string_at(0)")); exit.Code != -1 || exit.Signal != "segmentation fault" {
		t.Errorf("a crash: %+v", exit)
	}
	if _, exit := run(t, e, command("code", "bash", "-c", "exit 200")); exit.Code != 200 || exit.Signal != "" {
		t.Errorf("exit 200: %+v", exit)
	}
}

func TestStop(t *testing.T) {
	e := newEngine(t)
	stop := func(t *testing.T, spec engine.Spec, ready string, grace time.Duration) (engine.Exit, time.Duration) {
		t.Helper()
		i, out := start(t, e, spec)
		out.await(t, ready)
		began := time.Now()
		if err := i.Stop(t.Context(), grace); err != nil {
			t.Fatal(err)
		}
		return i.Exit(), time.Since(began)
	}
	t.Run("of a program that handles the signal", func(t *testing.T) {
		exit, _ := stop(t, command("polite", "bash", "-c", "trap 'exit 5' TERM; echo ready; while :; do read -t 0.01 < <(:) || :; done"), "ready", 20*time.Second)
		if exit.Code != 5 {
			t.Errorf("exit %+v", exit)
		}
	})
	t.Run("of a program that says nothing about it", func(t *testing.T) {
		exit, took := stop(t, command("default", "bash", "-c", "echo ready; cat /dev/zero >/dev/null"), "ready", time.Minute)
		if exit.Signal != "terminated" || took > 30*time.Second {
			t.Errorf("exit %+v after %v", exit, took)
		}
	})
	t.Run("of a program that ignores it", func(t *testing.T) {
		exit, took := stop(t, probe(t, "deaf", "ignore-term"), "ready", 100*time.Millisecond)
		if exit.Signal != "killed" || took < 100*time.Millisecond {
			t.Errorf("exit %+v after %v", exit, took)
		}
	})
	t.Run("at once", func(t *testing.T) {
		exit, took := stop(t, probe(t, "now", "ignore-term"), "ready", 0)
		if exit.Signal != "killed" || took > 20*time.Second {
			t.Errorf("exit %+v after %v", exit, took)
		}
	})
	t.Run("again", func(t *testing.T) {
		i, _ := start(t, e, command("again", "true"))
		for range 3 {
			if err := i.Stop(t.Context(), time.Second); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("by somebody who leaves", func(t *testing.T) {
		i, out := start(t, e, probe(t, "left", "ignore-term"))
		out.await(t, "ready")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = i.Stop(ctx, time.Hour)
		finish(t, i, out)
	})
}

func TestFreezeStopsTheClockOfAProgram(t *testing.T) {
	for name, hide := range map[string]bool{"freezer": false, "signals": true} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			if hide {
				e.groups.Hide("freezer")
			}
			spec := command("f", "bash", "-c", "( while :; do :; done ) & while :; do echo x; done")
			i, out := start(t, e, spec)
			out.await(t, "x\n")
			f, m := i.(engine.Freezer), i.(engine.Meter)
			for range 3 {
				for range 2 { // idempotent
					if err := f.Freeze(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				before, err := m.Usage()
				if err != nil {
					t.Fatal(err)
				}
				run(t, e, command("clock", "bash", "-c", "for i in $(seq 30000); do :; done"))
				after, err := m.Usage()
				if err != nil || after.CPU-before.CPU > time.Millisecond {
					t.Errorf("used %v while frozen, error %v", after.CPU-before.CPU, err)
				}
				if err := f.Thaw(t.Context()); err != nil {
					t.Fatal(err)
				}
				n := len(out.String())
				for deadline := time.Now().Add(20 * time.Second); len(out.String()) <= n+1<<17 && time.Now().Before(deadline); {
					<-out.news
				}
			}
			if err := f.Freeze(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := i.Stop(t.Context(), 10*time.Second); err != nil {
				t.Fatal(err)
			}
			if x := i.Exit(); x.Signal != "terminated" {
				t.Errorf("exit %+v", x)
			}
		})
	}
}

func TestEverythingEndsWithTheFirstProcess(t *testing.T) {
	e := newEngine(t)
	out, exit := run(t, e, command("orphans", "bash", "-c", "for i in 1 2 3; do setsid sleep 1000 & done; echo started; exit 0"))
	if exit.Code != 0 || !strings.Contains(out, "started") {
		t.Errorf("exit %+v, output %q", exit, out)
	}
}
