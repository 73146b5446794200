package pebble_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
)

// BenchmarkApply writes objects of 256 bytes, each in a batch of its own and
// each on disk before the next of that writer begins.
func BenchmarkApply(b *testing.B) {
	value := bytes.Repeat([]byte("x"), 256)
	for _, writers := range []int{1, 16, 128} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			s := open(b, b.TempDir(), pebble.Config{})
			var next atomic.Int64
			var crew sync.WaitGroup
			b.ResetTimer()
			for range writers {
				crew.Go(func() {
					for {
						n := next.Add(1)
						if n > int64(b.N) {
							return
						}
						c := store.Change{Key: store.Key{Kind: "things", Namespace: "ns", Name: strconv.FormatInt(n, 10)}, Value: value}
						if _, err := s.Apply(b.Context(), c); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			crew.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

// filled is the folder of a store with n objects of 1 KiB, which was closed.
func filled(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	s, err := pebble.Open(dir, pebble.Config{})
	if err != nil {
		b.Fatal(err)
	}
	value := bytes.Repeat([]byte(`{"k":"v"},`), 102)
	for i := 0; i < n; i += 500 {
		batch := make([]store.Change, 500)
		for j := range batch {
			batch[j] = store.Change{
				Key:    store.Key{Kind: "functions", Namespace: "default", Name: fmt.Sprintf("f%06d", i+j)},
				Labels: map[string]string{"app": fmt.Sprint(j % 10)}, Value: value,
			}
		}
		if _, err := s.Apply(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return dir
}

const many = 10_000

func BenchmarkList10000(b *testing.B) {
	s := open(b, filled(b, many), pebble.Config{})
	for b.Loop() {
		objects, _, err := s.List(b.Context(), store.Query{Kind: "functions"})
		if err != nil || len(objects) != many {
			b.Fatalf("%d objects, error %v", len(objects), err)
		}
	}
}

func BenchmarkOpenThenList10000(b *testing.B) {
	dir := filled(b, many)
	for b.Loop() {
		s, err := pebble.Open(dir, pebble.Config{})
		if err != nil {
			b.Fatal(err)
		}
		if objects, _, err := s.List(b.Context(), store.Query{Kind: "functions"}); err != nil || len(objects) != many {
			b.Fatalf("%d objects, error %v", len(objects), err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkIdleMemory reports what this process holds with a store that has been
// listed once and is idle now. The test binary alone holds some 15 MiB.
func BenchmarkIdleMemory10000(b *testing.B) {
	s := open(b, filled(b, many), pebble.Config{})
	for b.Loop() {
		if _, _, err := s.List(b.Context(), store.Query{Kind: "functions"}); err != nil {
			b.Fatal(err)
		}
	}
	debug.FreeOSMemory()
	b.ReportMetric(float64(residentBytes(b))/(1<<20), "MiB-resident")
}

func BenchmarkGet(b *testing.B) {
	s := open(b, filled(b, many), pebble.Config{})
	i := 0
	for b.Loop() {
		i = (i + 7919) % many
		if _, err := s.Get(b.Context(), store.Key{Kind: "functions", Namespace: "default", Name: fmt.Sprintf("f%06d", i)}); err != nil {
			b.Fatal(err)
		}
	}
}

// residentBytes is the memory of this process.
func residentBytes(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skipf("no /proc: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
