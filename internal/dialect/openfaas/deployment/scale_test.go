package deployment_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

func TestLabelsBecomeAPolicyOfScaling(t *testing.T) {
	const scale = "com.openfaas.scale."
	base := fn.Scale{Min: 1, Max: 20, Concurrency: 100, Metric: fn.MetricRPS, Goal: 45}
	with := func(change func(*fn.Scale)) fn.Scale {
		s := base
		change(&s)
		return s
	}
	for name, row := range map[string]struct {
		labels   map[string]string
		inflight string
		want     fn.Scale
	}{
		"nothing said":  {nil, "", base},
		"bounds":        {map[string]string{scale + "min": "2", scale + "max": "5"}, "", with(func(s *fn.Scale) { s.Min, s.Max = 2, 5 })},
		"min above 20":  {map[string]string{scale + "min": "30"}, "", with(func(s *fn.Scale) { s.Min, s.Max = 30, 30 })},
		"static":        {map[string]string{scale + "min": "3", scale + "max": "3"}, "", with(func(s *fn.Scale) { s.Min, s.Max = 3, 3 })},
		"none at rest":  {map[string]string{scale + "min": "0"}, "", with(func(s *fn.Scale) { s.Min = 0 })},
		"zero":          {map[string]string{scale + "zero": "true"}, "", with(func(s *fn.Scale) { s.Min, s.Activation, s.Idle = 0, 1, 15*time.Minute })},
		"zero is off":   {map[string]string{scale + "zero": "false", scale + "zero-duration": "5m"}, "", base},
		"zero of three": {map[string]string{scale + "zero": "true", scale + "zero-duration": "90s", scale + "min": "3"}, "", with(func(s *fn.Scale) { s.Min, s.Activation, s.Idle = 0, 3, 90*time.Second })},
		"rps":           {map[string]string{scale + "type": "rps", scale + "target": "100", scale + "target-proportion": "0.5"}, "", base2(base, fn.MetricRPS, 50)},
		"capacity":      {map[string]string{scale + "type": "capacity", scale + "target": "10"}, "", base2(base, fn.MetricConcurrency, 9)},
		"much capacity": {map[string]string{scale + "type": "capacity", scale + "target": "1000"}, "", with(func(s *fn.Scale) { s.Metric, s.Goal, s.Concurrency = fn.MetricConcurrency, 900, 900 })},
		"cpu":           {map[string]string{scale + "type": "cpu", scale + "target": "500", scale + "target-proportion": "1"}, "", base2(base, fn.MetricCPU, 500)},
		"queue":         {map[string]string{scale + "type": "queue"}, "", base2(base, fn.MetricQueue, 45)},
		"window":        {map[string]string{scale + "down.window": "5m"}, "", with(func(s *fn.Scale) { s.Window = 5 * time.Minute })},
		"hard limit":    {nil, "4", with(func(s *fn.Scale) { s.Concurrency = 4 })},
		"no hard limit": {nil, "0", base},
		"no number":     {nil, "many", base},
		"factor":        {map[string]string{scale + "factor": "0"}, "", base},
	} {
		got, remarks, err := deployment.ScaleOf(row.labels, row.inflight)
		if diff := cmp.Diff(row.want, got); err != nil || diff != "" || len(remarks) > 0 {
			t.Errorf("%s: %v, remarks %q\n%s", name, err, remarks, diff)
		}
		p := fn.Policy{Scale: got}.WithDefaults(fn.Default())
		if err := fn.ValidateSpec(fn.Spec{Runtime: "any", Policy: p}); err != nil {
			t.Errorf("%s: not a valid policy: %v", name, err)
		}
		if p.Scale.Min != row.want.Min {
			t.Errorf("%s: the server's default makes the minimum %d", name, p.Scale.Min)
		}
	}
}

func base2(s fn.Scale, m fn.Metric, goal float64) fn.Scale {
	s.Metric, s.Goal = m, goal
	return s
}

func TestRuleOfAnotherPrometheusIsKeptAndReported(t *testing.T) {
	got, remarks, err := deployment.ScaleOf(map[string]string{"com.openfaas.scale.type": "gpu-load", "com.openfaas.scale.target": "7"}, "")
	if err != nil || len(remarks) != 1 || got.Metric != "" || got.Goal != 0 || got.Concurrency != 100 {
		t.Errorf("%+v, %q, %v", got, remarks, err)
	}
}

func TestServersDefaultMinimumDoesNotKeepAFunctionFromZero(t *testing.T) {
	got, _, err := deployment.ScaleOf(map[string]string{"com.openfaas.scale.zero": "true"}, "")
	if err != nil {
		t.Fatal(err)
	}
	def := fn.Default()
	def.Scale.Min = 2
	if p := (fn.Policy{Scale: got}).WithDefaults(def); p.Scale.Min != 0 {
		t.Errorf("the minimum is %d", p.Scale.Min)
	}
}

func TestOneDeadlineComesOfThreeTimeouts(t *testing.T) {
	for want, env := range map[time.Duration]map[string]string{
		0:                {},
		20 * time.Second: {"exec_timeout": "20", "write_timeout": "65", "read_timeout": "65"},
		2 * time.Minute:  {"exec_timeout": "2m", "write_timeout": "1m"},
		65 * time.Second: {"exec_timeout": "0", "write_timeout": "65s"},
		7 * time.Second:  {"exec_timeout": "soon", "write_timeout": "7"},
	} {
		if got := deployment.TimeoutOf(env); got != want {
			t.Errorf("%v: %v, want %v", env, got, want)
		}
	}
}
