package scale

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

var rewrite = flag.Bool("rewrite", false, "write what the decider says into testdata/*.txt; review the diff")

// TestScenarios plays testdata/*.txt; testdata/README.md explains them.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the decider says something else (-file +now):\n%s", diff)
			}
		})
	}
}

// play runs a script and returns it with its answers renewed. Lines that
// begin with "  " are answers.
func play(t *testing.T, script string) string {
	var out strings.Builder
	st := stage{t: t, out: &out, clock: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	st.began = st.clock
	for in := bufio.NewScanner(strings.NewReader(script)); in.Scan(); {
		line := in.Text()
		if strings.HasPrefix(line, "  ") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line != "" && !strings.HasPrefix(line, "#") {
			st.command(strings.Fields(line))
		}
	}
	return out.String()
}

// stage is a pretended pool: whatever is wanted at one look runs at the next.
type stage struct {
	t            *testing.T
	out          *strings.Builder
	began, clock time.Time
	params       Params
	state        State
	running      int
	shown        string // the last answer, to print changes only
}

func (st *stage) command(words []string) {
	switch words[0] {
	case "policy":
		a := st.args(words[1:])
		st.params = Params{
			Min: a.num("min", 0), Max: a.num("max", 10), Concurrency: a.num("concurrency", 10),
			Target: a.num("target", 100), RPS: a.num("rps", 0), Idle: a.dur("idle", 5*time.Minute),
			Up: a.num("up", 0), Down: a.num("down", 0),
			Metric: fn.Metric(a.m["metric"]), Goal: a.float("goal"), Activation: a.num("activation", 0), Window: a.dur("window", 0),
		}
	case "running":
		st.running = st.int(words[1])
	case "for":
		st.pass(st.duration(words[1]), st.args(words[2:]))
	case "sleep":
		st.sleep()
	case "held":
		a := st.args(words[1:])
		n := Burst(a.num("inflight", 0), a.num("queued", 0), st.params.Concurrency, st.running, a.num("starting", 0), st.params.Max)
		n = First(n, st.running+a.num("starting", 0), st.params.Activation, st.params.Max)
		fmt.Fprintf(st.out, "  start %d at once\n", n)
	default:
		st.t.Fatalf("no such command: %s", words[0])
	}
}

// pass lets time pass under a steady load, looking every 2 seconds.
func (st *stage) pass(d time.Duration, a args) {
	every := a.dur("every", 2*time.Second)
	m := Sample{Concurrency: a.float("load"), Started: a.num("started", 0), CPU: a.float("cpu"), Pending: a.num("pending", 0)}
	rps := a.float("rps")
	for end := st.clock.Add(d); st.clock.Before(end); {
		st.clock = st.clock.Add(every)
		m.Over, m.Requests = every, int(rps*every.Seconds())
		st.look(m)
		m.Started = 0
	}
}

// sleep looks only when the decider asks for it, until it asks no more.
func (st *stage) sleep() {
	for range 1000 {
		d := st.look(Sample{})
		if d.Again == 0 {
			at := ""
			if st.state.AtRest() {
				at = ", at rest"
			}
			fmt.Fprintf(st.out, "  %s  no need to look again%s\n", st.time(), at)
			return
		}
		st.clock = st.clock.Add(d.Again)
	}
	st.t.Fatal("it never stops asking to look again")
}

func (st *stage) look(m Sample) Decision {
	m.Running = st.running
	var d Decision
	st.state, d = Decide(st.clock, st.params, st.state, m)
	mode := "calm "
	if d.Burst {
		mode = "burst"
	}
	if now := fmt.Sprint(d.Want, mode, d.Reason); now != st.shown {
		measure := fmt.Sprintf("stable %5.1f  recent %5.1f", d.Stable, d.Recent)
		if st.params.Goal > 0 {
			measure = fmt.Sprintf("load %6.1f", d.Load)
		}
		fmt.Fprintf(st.out, "  %s  running %-2d  want %-2d  %s  %-9s  %s\n",
			st.time(), st.running, d.Want, mode, d.Reason, measure)
		st.shown = now
	}
	st.running = d.Want
	return d
}

func (st *stage) time() string {
	s := int(st.clock.Sub(st.began).Seconds())
	return fmt.Sprintf("%3dm%02ds", s/60, s%60)
}

// args are the key=value words of a command.
type args struct {
	st *stage
	m  map[string]string
}

func (st *stage) args(words []string) args {
	m := map[string]string{}
	for _, w := range words {
		k, v, ok := strings.Cut(w, "=")
		if !ok {
			st.t.Fatalf("%q is not key=value", w)
		}
		m[k] = v
	}
	return args{st, m}
}

func (a args) num(key string, def int) int {
	if v, ok := a.m[key]; ok {
		return a.st.int(v)
	}
	return def
}

func (a args) dur(key string, def time.Duration) time.Duration {
	if v, ok := a.m[key]; ok {
		return a.st.duration(v)
	}
	return def
}

func (a args) float(key string) float64 {
	f, err := strconv.ParseFloat(cmpOr(a.m[key], "0"), 64)
	if err != nil {
		a.st.t.Fatal(err)
	}
	return f
}

func cmpOr(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func (st *stage) int(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		st.t.Fatal(err)
	}
	return n
}

func (st *stage) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		st.t.Fatal(err)
	}
	return d
}
