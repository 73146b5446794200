package deployment

import (
	"math"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// MaxLabel is the label with the most instances a function may have.
const MaxLabel = "com.openfaas.scale.max"

// Labels that steer scaling besides, and their defaults.
const (
	minLabel        = "com.openfaas.scale.min"
	factorLabel     = "com.openfaas.scale.factor"
	typeLabel       = "com.openfaas.scale.type"
	targetLabel     = "com.openfaas.scale.target"
	proportionLabel = "com.openfaas.scale.target-proportion"
	zeroLabel       = "com.openfaas.scale.zero"
	idleLabel       = "com.openfaas.scale.zero-duration"
	windowLabel     = "com.openfaas.scale.down.window"

	defaultMin        = 1
	defaultMax        = 20
	defaultFactor     = 10 // percent of the maximum an alert adds
	defaultTarget     = 50
	defaultProportion = 0.9
	defaultIdle       = 15 * time.Minute
)

// defaultConcurrency is the limit of calls at once in an instance whose
// watchdog has none. It is far above what an instance is meant to carry (the
// target is 50), because calls that its watchdog would have let in must not
// wait; and far below what processes an instance may have, because a watchdog
// that forks takes one for each call.
const defaultConcurrency = 100

// metrics are the values of typeLabel that scale by something we measure.
// Any other is the name of a rule that only its own Prometheus knows.
var metricOf = map[string]fn.Metric{
	"rps": fn.MetricRPS, "capacity": fn.MetricConcurrency, "cpu": fn.MetricCPU, "queue": fn.MetricQueue,
}

// labels reads values of labels, and notes what is wrong with them.
type labels struct {
	ms      *fn.Mistakes
	of      map[string]string
	remarks []string
}

func (l *labels) has(names ...string) bool {
	for _, name := range names {
		if _, ok := l.of[name]; ok {
			return true
		}
	}
	return false
}

// scale reads the policy of scaling. Without fresh, s keeps what no label
// speaks of; else that is at its default. inflight is the watchdog's own limit
// of calls at once.
func (l *labels) scale(s *fn.Scale, fresh bool, inflight string) {
	l.bounds(s, fresh)
	if fresh || l.has(typeLabel, targetLabel, proportionLabel) {
		l.goal(s)
	}
	if n, err := strconv.Atoi(inflight); err == nil && n > 0 {
		s.Concurrency = min(n, fn.MaxConcurrency)
	} else if fresh {
		s.Concurrency = defaultConcurrency
		if s.Metric == fn.MetricConcurrency {
			s.Concurrency = max(s.Concurrency, min(int(math.Ceil(s.Goal)), fn.MaxConcurrency))
		}
	}
	if l.has(windowLabel) {
		s.Window = l.span(windowLabel, 0, 0, fn.MaxWindow)
	}
	l.whole(factorLabel, defaultFactor, 0, 100)
}

// bounds reads how many instances there may be. One that may go to zero has
// its minimum as soon as there is traffic.
func (l *labels) bounds(s *fn.Scale, fresh bool) {
	least, most := max(s.Min, s.Activation), s.Max
	if fresh {
		least, most = defaultMin, defaultMax
	}
	least = l.whole(minLabel, least, 0, fn.MaxInstances)
	most = l.whole(MaxLabel, max(least, most), 1, fn.MaxInstances)
	if least > most {
		l.wrong(minLabel, "must not be more than %s (%d), got %d", MaxLabel, most, least)
		most = least
	}
	idle := l.span(idleLabel, defaultIdle, fn.MinIdle, fn.MaxIdle)
	zero := l.truth(zeroLabel)
	if !fresh && !l.has(minLabel, MaxLabel, zeroLabel, idleLabel) {
		return
	}
	s.Min, s.Max, s.Activation = least, most, 0
	if zero {
		s.Min, s.Activation, s.Idle = 0, max(least, 1), idle
	}
}

// goal reads what an instance is meant to carry.
func (l *labels) goal(s *fn.Scale) {
	name, ok := l.of[typeLabel]
	if !ok {
		name = "rps"
	}
	goal := l.number(targetLabel, defaultTarget, fn.MaxGoal) * l.number(proportionLabel, defaultProportion, 1)
	s.Metric, ok = metricOf[name]
	if !ok {
		s.Goal = 0
		l.remarks = append(l.remarks, "label "+typeLabel+": "+clip(name)+" is a rule that only its own Prometheus knows; the calls in hand decide")
		return
	}
	s.Goal = math.Round(goal*1e6) / 1e6
}

// AlertFactor is how many percent of a function's maximum an alert adds; the
// default if its label cannot be read: those of another dialect are not judged.
func AlertFactor(of map[string]string) int {
	var none fn.Mistakes
	l := labels{ms: &none, of: of}
	return l.whole(factorLabel, defaultFactor, 0, 100)
}

func (l *labels) wrong(name, format string, args ...any) { l.ms.Add("labels."+name, format, args...) }

func (l *labels) whole(name string, def, low, high int) int {
	text, ok := l.of[name]
	if !ok {
		return def
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		l.wrong(name, "must be a whole number from %d to %d, got %q", low, high, clip(text))
		return def
	}
	return n
}

// number reads a number above 0.
func (l *labels) number(name string, def, high float64) float64 {
	text, ok := l.of[name]
	if !ok {
		return def
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= high) {
		l.wrong(name, "must be a number above 0, at most %g, got %q", high, clip(text))
		return def
	}
	return n
}

func (l *labels) span(name string, def, low, high time.Duration) time.Duration {
	text, ok := l.of[name]
	if !ok {
		return def
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < low || d > high {
		l.wrong(name, "must be a time span from %v to %v, got %q", low, high, clip(text))
		return def
	}
	return d
}

func (l *labels) truth(name string) bool {
	text, ok := l.of[name]
	if !ok {
		return false
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		l.wrong(name, "must be true or false, got %q", clip(text))
	}
	return v
}
