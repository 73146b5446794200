package pebble_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pebbledb "github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/pebble"
)

// BenchmarkPublish publishes messages of 256 bytes, each in a call of its own
// and each on disk before the next of that publisher begins.
func BenchmarkPublish(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 256)
	for _, publishers := range []int{1, 16, 128, 1000} {
		b.Run(fmt.Sprint("publishers=", publishers), func(b *testing.B) {
			q := open(b, b.TempDir(), pebble.Config{})
			inParallel(b, publishers, func(n int64) error {
				return q.Publish(b.Context(), queue.Message{Stream: "async/" + strconv.Itoa(int(n%100)), ID: strconv.FormatInt(n, 10), Body: body})
			})
		})
	}
}

// BenchmarkBare writes the same bytes with nothing of ours around them: what the
// database's own group commit makes of so many writers.
func BenchmarkBare(b *testing.B) {
	value := bytes.Repeat([]byte("x"), 256)
	for _, writers := range []int{16, 1000} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			db, err := pebbledb.Open(b.TempDir(), &pebbledb.Options{MemTableSize: 8 << 20, MemTableStopWritesThreshold: 8})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			inParallel(b, writers, func(n int64) error {
				batch := db.NewBatch()
				for _, space := range "mri" {
					if err := batch.Set(fmt.Appendf(nil, "%casync/%d/%d", space, n%100, n), value[:map[rune]int{'m': 256, 'r': 40, 'i': 8}[space]], nil); err != nil {
						return err
					}
				}
				return db.Apply(batch, pebbledb.Sync)
			})
		})
	}
}

// BenchmarkRound publishes, leases and acknowledges, one message at a time.
func BenchmarkRound(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 256)
	q := open(b, b.TempDir(), pebble.Config{})
	inParallel(b, 100, func(n int64) error {
		m := queue.Message{Stream: "async/" + strconv.Itoa(int(n%100)), Body: body}
		if err := q.Publish(b.Context(), m); err != nil {
			return err
		}
		got, err := q.Lease(b.Context(), m.Stream, 1, time.Minute)
		if err != nil || len(got) == 0 {
			return err // somebody else has it
		}
		return q.Settle(b.Context(), queue.Outcome{Stream: m.Stream, Seq: got[0].Seq, Lease: got[0].Lease})
	})
}

func inParallel(b *testing.B, crew int, call func(n int64) error) {
	b.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for range crew {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := call(n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkOpen opens a queue of a million messages in few or many streams, and
// says how much memory it then needs. One iteration is enough: -benchtime 1x.
func BenchmarkOpen(b *testing.B) {
	const messages = 1_000_000
	for _, streams := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprint("streams=", streams), func(b *testing.B) {
			dir := b.TempDir()
			fillMillion(b, dir, messages, streams)
			for b.Loop() {
				before := resident(b)
				begin := time.Now()
				q, err := pebble.Open(dir, pebble.Config{})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms/open")
				b.ReportMetric(resident(b)-before, "MiB")
				begin = time.Now()
				if got, err := q.Lease(b.Context(), "async/0", 10, time.Minute); err != nil || len(got) == 0 {
					b.Errorf("leased %d, error %v", len(got), err)
				}
				b.ReportMetric(float64(time.Since(begin).Microseconds()), "µs/lease")
				if err := q.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func fillMillion(b *testing.B, dir string, messages, streams int) {
	b.Helper()
	q, err := pebble.Open(dir, pebble.Config{})
	if err != nil {
		b.Fatal(err)
	}
	body := bytes.Repeat([]byte("0123456789abcdef"), 16)
	for n := 0; n < messages; {
		batch := make([]queue.Message, 0, 1000)
		for range cap(batch) {
			batch = append(batch, queue.Message{Stream: "async/" + strconv.Itoa(n%streams), ID: strconv.Itoa(n), Body: body})
			n++
		}
		if err := q.Publish(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
}

// resident is the memory of this process that is in use, in MiB.
func resident(b *testing.B) float64 {
	b.Helper()
	runtime.GC()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	var kib float64
	fmt.Sscan(after, &kib)
	return kib / 1024
}
