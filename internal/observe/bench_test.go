package observe

import (
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func warmCall(ref fn.Ref, n int) *fn.Invocation {
	return &fn.Invocation{
		ID: fn.MakeCallID(uint64(n), uint64(n), uint64(n)*0x9e3779b97f4a7c15), Revision: fn.RevisionRef{Ref: ref, Number: 3},
		Instance: "fib-3-abcdef", Began: time.Unix(1_900_000_000, int64(n)),
		Timing: fn.Timing{Route: 900, Queue: 0, Run: 700 * time.Microsecond, Reply: 20 * time.Microsecond},
		Status: 200, In: 2, Out: 300,
	}
}

func BenchmarkRecord(b *testing.B) {
	o, inv := New(Config{}), warmCall(fn.Ref{Namespace: "default", Name: "fib"}, 1)
	for i := range 20_000 { // the ring is full and the series spread
		o.Record(warmCall(inv.Revision.Ref, i))
	}
	b.ReportAllocs()
	for b.Loop() {
		inv.ID[15]++
		o.Record(inv)
	}
}

func BenchmarkRecordParallel(b *testing.B) {
	o := New(Config{})
	ref := fn.Ref{Namespace: "default", Name: "fib"}
	for i := range 20_000 {
		o.Record(warmCall(ref, i))
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		inv := warmCall(ref, 1)
		for pb.Next() {
			inv.ID[15]++
			o.Record(inv)
		}
	})
}

func BenchmarkRecordManyFunctions(b *testing.B) {
	o := New(Config{})
	calls := make([]*fn.Invocation, 10_000)
	for i := range calls {
		calls[i] = warmCall(fn.Ref{Namespace: "default", Name: fmt.Sprintf("f%d", i)}, i)
		o.Record(calls[i])
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		o.Record(calls[n%len(calls)])
		n++
	}
}

func BenchmarkRecordFailure(b *testing.B) {
	o, inv := New(Config{}), warmCall(fn.Ref{Namespace: "default", Name: "fib"}, 1)
	inv.Status, inv.Cause, inv.Phase = 429, "queue-full", fn.PhaseQueue
	for range 20_000 {
		inv.ID[15]++
		o.Record(inv)
	}
	b.ReportAllocs()
	for b.Loop() {
		inv.ID[15]++
		o.Record(inv)
	}
}

// BenchmarkScrape10000 reads an observer that has seen 10,000 functions, with
// and without the names of OpenFaaS.
func BenchmarkScrape10000(b *testing.B) {
	b.Run("own", func(b *testing.B) { benchmarkScrape(b, nil) })
	b.Run("both", func(b *testing.B) { benchmarkScrape(b, dotted) })
}

func dotted(ref fn.Ref) string { return ref.Name + "." + ref.Namespace }

func benchmarkScrape(b *testing.B, names func(fn.Ref) string) {
	o := New(Config{Functions: 20_000, Names: names})
	for i := range 10_000 {
		inv := warmCall(fn.Ref{Namespace: "default", Name: fmt.Sprintf("f%d", i)}, i)
		o.Record(inv)
		inv.Kind, inv.Timing.Start = fn.Cold, 9*time.Millisecond
		o.Record(inv)
		o.InstanceStarted(inv.Revision, 3*time.Millisecond, 20*time.Millisecond, nil)
	}
	h, err := o.Handler(Sources{Loads: loads{{Ref: fn.Ref{Namespace: "default", Name: "f1"}, InFlight: 3}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	req := httptest.NewRequest("GET", "/metrics", nil)
	b.ReportAllocs()
	var size int
	for b.Loop() {
		w := &countingWriter{}
		h.ServeHTTP(w, req)
		size = w.n
	}
	b.ReportMetric(float64(size)/1e6, "MB/scrape")
}

// BenchmarkMemory10000 reports what 10,000 functions that were called cost.
func BenchmarkMemory10000(b *testing.B) {
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		o := New(Config{Records: -1})
		for i := range 10_000 {
			o.Record(warmCall(fn.Ref{Namespace: "default", Name: fmt.Sprintf("f%d", i)}, i))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(o)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/10_000, "B/function")
}

// loads is a Source.
type loads []Load

func (l loads) Loads() iter.Seq[Load] {
	return func(yield func(Load) bool) {
		for _, v := range l {
			if !yield(v) {
				return
			}
		}
	}
}

type countingWriter struct {
	n int
	h http.Header
}

func (w *countingWriter) Header() http.Header {
	if w.h == nil {
		w.h = http.Header{}
	}
	return w.h
}
func (w *countingWriter) WriteHeader(int) {}
func (w *countingWriter) Write(p []byte) (int, error) {
	w.n += len(p)
	return io.Discard.Write(p)
}
