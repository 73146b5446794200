package logs

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzSegment reads arbitrary bytes as a segment.
func FuzzSegment(f *testing.F) {
	f.Add([]byte(record("one")+record("two")), uint16(0))
	f.Add([]byte(record("one")+record("torn")[:40]), uint16(3))
	f.Add(bytes.Repeat([]byte{0}, 5000), uint16(100))
	f.Add([]byte("2026-07-01T12:00:00.123456789Z E 12 a b text\n2026-07-01T12:00:00.123456789Z o - a b text\n\n"), uint16(1))
	f.Add([]byte(strings.Repeat("x", 2*maxRecord)+"\n"+record("after")), uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, from uint16) {
		start := min(int64(from), int64(len(data)))
		sc := newScanner(bytes.NewReader(data), start)
		for {
			l, ok, err := sc.next()
			if err != nil {
				t.Fatal(err)
			}
			if sc.end > int64(len(data)) || sc.end > start && data[sc.end-1] != '\n' {
				t.Fatalf("the position %d is not behind a line", sc.end)
			}
			if !ok {
				break
			}
			// What is read can be written and read again.
			rec := append(appendHead(nil, &l), l.Text...)
			if again, ok := parse(rec); !ok || again != l {
				t.Fatalf("%+v becomes %q becomes %+v (%v)", l, rec, again, ok)
			}
		}
		if rest := data[sc.end:]; bytes.IndexByte(rest, '\n') >= 0 {
			t.Fatalf("stopped before the line %.60q", rest)
		}
	})
}

// FuzzWriter prints arbitrary bytes in arbitrary pieces and expects what a
// naive reader of lines would see.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nthree"), uint64(1))
	f.Add([]byte(strings.Repeat("x", MaxLine)+"\n"+strings.Repeat("y", 3*MaxLine)+"\nz"), uint64(2))
	f.Add([]byte("\n\n\n\r\n\x00\xff"), uint64(3))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		s := open(t, unlimited())
		w := s.Writer(fib3, "a", Stdout, nil)
		r := rand.New(rand.NewPCG(seed, 0))
		for rest := data; len(rest) > 0; {
			n := 1 + r.IntN(len(rest))
			if got, err := w.Write(rest[:n]); got != n || err != nil {
				t.Fatal(got, err)
			}
			rest = rest[n:]
		}
		shut(t, w)
		var want []string
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSuffix(line, "\n")
			want = append(want, line[:min(len(line), MaxLine)])
		}
		if got := texts(read(t, s, fib, Query{})); !slices.Equal(got, want) {
			same(t, got, want)
		}
		last := s.Last("a")
		want = want[max(0, len(want)-tailLines):]
		if len(last) != len(want) {
			t.Fatalf("%d last lines, want %d", len(last), len(want))
		}
		for i := range want {
			if last[i] != Printable(want[i][:min(len(want[i]), tailBytes)]) {
				t.Fatalf("last line %d is %q, want %q", i, last[i], want[i])
			}
		}
	})
}

// FuzzTail compares the quick way to find the last lines with the plain one.
func FuzzTail(f *testing.F) {
	f.Add([]byte("one\ntwo\n"))
	f.Add([]byte(strings.Repeat("\n", 50)))
	f.Add([]byte("\nx\n"))
	f.Fuzz(func(t *testing.T, p []byte) {
		p = append(p, '\n')
		var quick, plain tail
		quick.pushLast(p)
		for line := range bytes.Lines(p) {
			plain.push(line[:len(line)-1])
		}
		same(t, quick.last(), plain.last())
	})
}

func BenchmarkWriteLine(b *testing.B) {
	s, err := Open(b.TempDir(), unlimited())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := s.Writer(fib3, "a", Stdout, nil)
	line := []byte("GET /api/items/42 200 1.3ms\n")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = w.Write(line)
	}
}

// BenchmarkFlood is a megabyte of output over the rate.
func BenchmarkFlood(b *testing.B) {
	s, err := Open(b.TempDir(), Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := s.Writer(fib3, "a", Stdout, nil)
	chunk := []byte(strings.Repeat("GET /api/items/42 200 1.3ms  ok\n", 1<<10)) // 32 KiB
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		for range 32 {
			_, _ = w.Write(chunk)
		}
	}
}

// BenchmarkTail reads the newest 100 lines of a full ring.
func BenchmarkTail(b *testing.B) {
	cfg := unlimited()
	cfg.Bytes = 4 << 20
	s, err := Open(b.TempDir(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := s.Writer(fib3, "a", Stdout, nil)
	for range 60_000 {
		_, _ = w.Write([]byte("GET /api/items/42 200 1.3ms\n"))
	}
	b.ReportAllocs()
	for b.Loop() {
		if lines := read(b, s, fib, Query{Tail: 100}); len(lines) != 100 {
			b.Fatal(len(lines))
		}
	}
}

// BenchmarkReadSince reads a whole ring and keeps nothing.
func BenchmarkReadSince(b *testing.B) {
	cfg := unlimited()
	cfg.Bytes = 4 << 20
	s, err := Open(b.TempDir(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := s.Writer(fib3, "a", Stdout, nil)
	for range 60_000 {
		_, _ = w.Write([]byte("GET /api/items/42 200 1.3ms\n"))
	}
	b.ReportAllocs()
	for b.Loop() {
		for range s.Read(b.Context(), fib, Query{Since: time.Now(), Tail: 0}) {
			b.Fatal("a line from the future")
		}
	}
}
