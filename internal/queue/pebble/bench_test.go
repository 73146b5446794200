package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strconv"
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

// BenchmarkBare writes the same bytes with nothing of ours around them: with a
// batch for each writer, as the queue does, and with a loop that makes one batch
// of all that have come while it was writing.
func BenchmarkBare(b *testing.B) {
	for _, writers := range []int{16, 1000} {
		b.Run(fmt.Sprint("batches/writers=", writers), func(b *testing.B) {
			db := bare(b)
			inParallel(b, writers, func(n int64) error {
				batch := db.NewBatch()
				return errors.Join(setThree(batch, n), db.Apply(batch, pebbledb.Sync), batch.Close())
			})
		})
		b.Run(fmt.Sprint("loop/writers=", writers), func(b *testing.B) {
			l := &loop{db: bare(b), calls: make(chan call, writers)}
			var running sync.WaitGroup
			running.Go(l.run)
			inParallel(b, writers, func(n int64) error {
				c := call{n, make(chan error, 1)}
				l.calls <- c
				return <-c.done
			})
			close(l.calls)
			running.Wait()
		})
	}
}

func bare(b *testing.B) *pebbledb.DB {
	b.Helper()
	db, err := pebbledb.Open(b.TempDir(), &pebbledb.Options{MemTableSize: 8 << 20, CacheSize: 32 << 20, Logger: silent{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

type silent struct{}

func (silent) Infof(string, ...any)      {}
func (silent) Errorf(string, ...any)     {}
func (silent) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// setThree sets keys and values as long as those of a message.
func setThree(batch *pebbledb.Batch, n int64) error {
	var errs []error
	for space, size := range map[rune]int{'m': 256, 'r': 40, 'i': 8} {
		errs = append(errs, batch.Set(fmt.Appendf(nil, "%casync/%d/%d", space, n%100, n), make([]byte, size), nil))
	}
	return errors.Join(errs...)
}

// call is one writer's wish.
type call struct {
	n    int64
	done chan error
}

// loop writes for all.
type loop struct {
	db    *pebbledb.DB
	calls chan call
}

func (l *loop) run() {
	for c := range l.calls {
		batch, waiting := l.db.NewBatch(), []call{c}
		err := setThree(batch, c.n)
		for range len(l.calls) {
			c := <-l.calls
			waiting = append(waiting, c)
			err = errors.Join(err, setThree(batch, c.n))
		}
		err = errors.Join(err, l.db.Apply(batch, pebbledb.Sync), batch.Close())
		for _, c := range waiting {
			c.done <- err
		}
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
				before := inUse()
				begin := time.Now()
				q, err := pebble.Open(dir, pebble.Config{})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(begin).Milliseconds()), "ms/open")
				b.ReportMetric(inUse()-before, "MiB")
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

// inUse is the memory that this process uses, block cache and write buffers
// included, in MiB.
func inUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkIdle says what an empty queue needs, in MiB: -benchtime 1x.
func BenchmarkIdle(b *testing.B) {
	dir := b.TempDir()
	q, err := pebble.Open(dir, pebble.Config{}) // the process has paid for the code
	if err == nil {
		err = q.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		before, begin := inUse(), time.Now()
		if q, err = pebble.Open(dir, pebble.Config{}); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(begin).Microseconds())/1000, "ms/open")
		b.ReportMetric(inUse()-before, "MiB")
		if err := q.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
