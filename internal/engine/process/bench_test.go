package process

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// BenchmarkStart measures from the call of Start until the program has been
// exec'd.
func BenchmarkStart(b *testing.B) { benchmarkStart(b, nil) }

// BenchmarkStartWithFiles is BenchmarkStart with four private files at two
// places each.
func BenchmarkStartWithFiles(b *testing.B) {
	var files []engine.File
	for n := range 8 {
		dir := []string{"/var/one/", "/var/two/"}[n/4]
		files = append(files, engine.File{Path: dir + strconv.Itoa(n%4), Data: []byte("a value of some length")})
	}
	benchmarkStart(b, files)
}

func benchmarkStart(b *testing.B, files []engine.File) {
	e := newEngine(b)
	var times []time.Duration
	for n := 0; b.Loop(); n++ {
		spec := command("b"+strconv.Itoa(n), "/usr/bin/true")
		spec.Revision.Ref.Name = "same"
		spec.Files = files
		began := time.Now()
		i, err := e.Start(b.Context(), spec)
		if err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
		b.StopTimer()
		<-i.Done()
		b.StartTimer()
	}
	spread(b, times)
}

// spread reports what a mean hides on a busy machine.
func spread(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	ms := func(q float64) float64 { return times[int(q*float64(len(times)-1))].Seconds() * 1000 }
	b.ReportMetric(ms(0), "min-ms")
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
}

// BenchmarkCold measures from the call of Start until the first byte of a
// static Go server's answer has been read.
func BenchmarkCold(b *testing.B) {
	e := newEngine(b)
	root := testPrograms(b)
	var times []time.Duration
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		i := startServer(b, e, root, n)
		get(b, i)
		times = append(times, time.Since(began))
		b.StopTimer()
		if err := i.Stop(context.Background(), 0); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	spread(b, times)
}

// BenchmarkFreezeThaw measures one round.
func BenchmarkFreezeThaw(b *testing.B) {
	e := newEngine(b)
	i := startServer(b, e, testPrograms(b), 1)
	get(b, i)
	f := i.(engine.Freezer)
	b.Run("freeze", func(b *testing.B) {
		for b.Loop() {
			if err := f.Freeze(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := f.Thaw(b.Context()); err != nil {
				b.Fatal(err)
			}
			get(b, i)
			b.StartTimer()
		}
	})
	b.Run("thaw-to-answer", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if err := f.Freeze(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			if err := f.Thaw(b.Context()); err != nil {
				b.Fatal(err)
			}
			get(b, i)
		}
	})
	b.Run("warm-answer", func(b *testing.B) {
		for b.Loop() {
			get(b, i)
		}
	})
	if err := i.Stop(context.Background(), 0); err != nil {
		b.Fatal(err)
	}
}

func startServer(b *testing.B, e *Engine, root string, n int) engine.Instance {
	spec := command("c"+strconv.Itoa(n), "/function/server")
	spec.Revision.Ref.Name = "same"
	spec.Root, spec.Program.Dir, spec.Program.Listen = root, "", fn.ListenSocket
	i, err := e.Start(b.Context(), spec)
	if err != nil {
		b.Fatal(err)
	}
	return i
}

func get(b *testing.B, i engine.Instance) {
	c := client(i)
	res, err := c.Get("http://fn/")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		b.Fatal(res.Status, err)
	}
	res.Body.Close()
}
