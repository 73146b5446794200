package fn

import "testing"

func TestAGoalSaysWhatItCounts(t *testing.T) {
	for _, row := range []struct {
		metric Metric
		goal   float64
		wrong  bool
	}{
		{"", 0, false}, {MetricRPS, 45, false}, {MetricCPU, 0.5, false},
		{"", 45, true}, {MetricRPS, 0, true}, {MetricRPS, -1, true}, {"none", 45, true},
	} {
		s := Spec{Runtime: "go", Policy: Default()}
		s.Scale.Metric, s.Scale.Goal = row.metric, row.goal
		if err := ValidateSpec(s); (err != nil) != row.wrong {
			t.Errorf("metric %q, goal %v: %v", row.metric, row.goal, err)
		}
	}
}
