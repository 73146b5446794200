package fib

import (
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	for in, want := range map[string]string{"0": "0", "1": "1", "2": "1", "10\n": "55", "100": "354224848179261915075"} {
		if got, err := Handle(t.Context(), in); strings.TrimSpace(got) != want || err != nil {
			t.Errorf("fib(%s) = %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "x", "1000001"} {
		if got, err := Handle(t.Context(), in); err == nil {
			t.Errorf("fib(%q) = %s", in, got)
		}
	}
}
