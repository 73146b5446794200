package main

import (
	"fmt"
	"slices"
	"time"
)

// quantile returns the q-th quantile, 0 ≤ q ≤ 1, of values.
func quantile[T int64 | float64 | time.Duration](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}
	s := slices.Clone(values)
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

func median[T int64 | float64 | time.Duration](values []T) T { return quantile(values, 0.5) }

// ratios divides pair by pair.
func ratios(a, b []float64) []float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}

// verdict says how a figure stands to its aim.
func verdict(ok bool) string {
	if ok {
		return "met"
	}
	return "MISSED"
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
func us(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d)/1e3) }
