package secret

import "testing"

// BenchmarkOpen is what a secret adds to each start of a function.
func BenchmarkOpen(b *testing.B) {
	k := open(b, b.TempDir())
	s := seal(b, k, "default/db", "a value of some length")
	for b.Loop() {
		if _, err := k.Open("default/db", s); err != nil {
			b.Fatal(err)
		}
	}
}
