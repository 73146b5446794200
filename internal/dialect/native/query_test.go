package native

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// FuzzSelector checks that a selector that is taken means what it says.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{"", "a=b", "a=b,c=d", "a=", "=a", "a=b,a=c", "a==b", ",", "app.kubernetes.io/name=x y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		labels, err := parseSelector(s)
		if err != nil {
			if fn.KindOf(err) != fn.Invalid {
				t.Errorf("%q: %v is not an invalid error", s, err)
			}
			return
		}
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(labels)) {
			parts = append(parts, k+"="+labels[k])
			if !strings.Contains(","+s+",", ","+k+"="+labels[k]+",") {
				t.Errorf("%q: %s=%s is not in it", s, k, labels[k])
			}
		}
		again, err := parseSelector(strings.Join(parts, ","))
		if err != nil || !maps.Equal(labels, again) {
			t.Errorf("%q read as %v, written and read again %v, %v", s, labels, again, err)
		}
	})
}

func TestSpansAreShortAndReadBack(t *testing.T) {
	for _, d := range []time.Duration{
		time.Millisecond, time.Second, time.Minute, time.Hour, 90 * time.Second, 61 * time.Minute,
		25*time.Hour + time.Second, 1500 * time.Millisecond, 10 * time.Minute, 20 * time.Hour, 10 * time.Second,
	} {
		s := spanOf(d)
		if again, err := fn.ParseDuration(s); err != nil || again != d {
			t.Errorf("%v is written %q, read %v, %v", d, s, again, err)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "", -1: "never", time.Minute: "1m", 20 * time.Hour: "20h", 61 * time.Minute: "1h1m", 10 * time.Second: "10s",
		time.Hour + time.Second: "1h0m1s",
	} {
		if got := spanOf(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}
