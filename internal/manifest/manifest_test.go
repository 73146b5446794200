package manifest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

const full = `
name: resize
namespace: shop
runtime: go
handler: main.go
command: ["./resize", "--port", "8080"]
mode: server
source: functions/resize
env:
  WIDTH: 200
  DEBUG: true
  EMPTY:
secrets: [db-password, api.key]
limits: {memory: 128Mi, cpu: 500m, pids: 64, tmp: 1Gi, timeout: 60s, start: 10s}
scale: {min: 0, max: 5, concurrency: 8, target: 80, rps: 100, metric: cpu, goal: 450.5, activation: 2, window: 2m, queue: 50, freeze: never, idle: 1h}
network: off
labels: {team: shop}
annotations: {"rouse.dev/why": thumbnails}
`

func TestParseReadsEveryField(t *testing.T) {
	got, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := []Function{{
		Ref: fn.Ref{Namespace: "shop", Name: "resize"}, Source: "functions/resize", Line: 2,
		Labels: map[string]string{"team": "shop"}, Annotations: map[string]string{"rouse.dev/why": "thumbnails"},
		Spec: fn.Spec{
			Runtime: "go", Handler: "main.go", Command: []string{"./resize", "--port", "8080"}, Mode: fn.ModeServer,
			Env:     map[string]string{"WIDTH": "200", "DEBUG": "true", "EMPTY": ""},
			Secrets: []string{"db-password", "api.key"},
			Policy: fn.Policy{
				Limits:  fn.Limits{Memory: 128 << 20, CPU: 500, Pids: 64, Tmp: 1 << 30, Timeout: time.Minute, Start: 10 * time.Second},
				Scale:   fn.Scale{Max: 5, Concurrency: 8, Target: 80, RPS: 100, Metric: fn.MetricCPU, Goal: 450.5, Activation: 2, Window: 2 * time.Minute, Queue: 50, Freeze: -1, Idle: time.Hour},
				Network: fn.NetworkOff,
			},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseReadsAListWithACommonNamespace(t *testing.T) {
	got, err := Parse([]byte("namespace: a\nfunctions:\n- {name: x, runtime: go}\n- {name: y, runtime: go, namespace: b}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Ref != (fn.Ref{Namespace: "a", Name: "x"}) || got[1].Ref != (fn.Ref{Namespace: "b", Name: "y"}) || got[1].Line != 4 {
		t.Errorf("got %+v", got)
	}
}

func TestParseLeavesWhatIsNotWrittenZero(t *testing.T) {
	got, err := Parse([]byte("name: x\nruntime: go\nlimits:\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Function{{Ref: fn.Ref{Name: "x"}, Source: ".", Line: 1, Spec: fn.Spec{Runtime: "go"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseTellsAllMistakesWithTheirLines(t *testing.T) {
	_, err := Parse([]byte(`name: Bad_Name
runtime: go
memory: 5
limits:
  memory: 0
  cpu: -1
  timout: 5s
  tmp: lots
scale:
  min: 9
  max: 3
  idle: 60
command: run me
env: [a]
mode: fast
labels: {"a b": c}
source: ../elsewhere
name: again
`))
	if !errors.Is(err, fn.Invalid) {
		t.Fatalf("got %v, want an Invalid error", err)
	}
	for _, want := range []string{
		"line 1: name: \"Bad_Name\" is not a name",
		"line 3: memory: is not a known field",
		"line 5: limits.memory: must be more than 0, got 0",
		"line 6: limits.cpu:",
		"line 7: limits.timout: is not a known field: did you mean \"timeout\"?",
		"line 8: limits.tmp: \"lots\" is not a size",
		"line 10: scale.min: must be between 0 and scale.max (3), got 9",
		"line 12: scale.idle: \"60\" is not a time span",
		"line 13: command: must be a list of words",
		"line 14: env: must hold names with values",
		"line 15: mode: \"fast\" is not one of",
		"line 16: labels: \"a b\" is not a key",
		"line 17: source: must be a folder in or below",
		"line 18: name: is already given at line 1",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if got := len(fn.MistakesOf(err)); got != 14 {
		t.Errorf("%d mistakes, want 14:\n%v", got, err)
	}
}

func TestParseRefusesWhatIsNoManifest(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":          "",
		"a comment":        "# hi\n",
		"a word":           "hello",
		"a list":           "- a\n- b\n",
		"two documents":    "name: a\nruntime: go\n---\nname: b\nruntime: go\n",
		"a bad tab":        "name:\n\t- a",
		"no runtime":       "name: a",
		"no name":          "runtime: go",
		"an empty list":    "functions: []",
		"a list of words":  "functions: [a]",
		"a repeated name":  "functions: [{name: a, runtime: go}, {name: a, runtime: go}]",
		"too long":         "# " + strings.Repeat("x", MaxBytes),
		"a merge key":      "name: a\nruntime: go\n<<: {mode: fork}",
		"a map as name":    "name: {a: b}\nruntime: go",
		"negative memory":  "name: a\nruntime: go\nlimits: {memory: -1}",
		"negative timeout": "name: a\nruntime: go\nlimits: {timeout: -5s}",
		"goal of none":     "name: a\nruntime: go\nscale: {metric: rps}",
		"no number":        "name: a\nruntime: go\nscale: {metric: rps, goal: NaN}",
		"unknown metric":   "name: a\nruntime: go\nscale: {metric: load, goal: 1}",
		"long window":      "name: a\nruntime: go\nscale: {window: 6m}",
		"huge number":      "name: a\nruntime: go\nscale: {max: 99999999999999999999}",
		"control name":     "name: \"a\\0\"\nruntime: go",
		"absolute source":  "name: a\nruntime: go\nsource: /etc",
		"escaping handler": "name: a\nruntime: go\nhandler: ../../x",
		"unknown anchor":   "name: *nope\nruntime: go",
		"self alias":       "name: a\nruntime: go\nenv: &x {A: *x}",
	} {
		t.Run(name, func(t *testing.T) {
			list, err := Parse([]byte(in))
			if k := fn.KindOf(err); err == nil || k != fn.Invalid && k != fn.TooLarge {
				t.Errorf("got %+v, %v; want an Invalid or TooLarge error", list, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{full, "functions:\n- {name: x, runtime: go}", "name: [", "env: &x {A: *x}", "a: b", "? [a]\n: b", "limits: {memory: 1e9}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Parse(data)
		if err != nil {
			if k := fn.KindOf(err); k != fn.Invalid && k != fn.TooLarge {
				t.Fatalf("%v has kind %s", err, k)
			}
			return
		}
		for _, f := range list {
			spec := f.Spec
			spec.Policy = spec.Policy.WithDefaults(fn.Default())
			if err := errors.Join(fn.ValidateSpec(spec), fn.ValidateName("name", f.Name)); err != nil {
				t.Fatalf("accepted what the validator refuses: %v", err)
			}
		}
	})
}
