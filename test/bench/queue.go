package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/pebble"
)

const queueBody = 256 // bytes of a message

// accepter is one way to make a message durable.
type accepter struct {
	name    string
	measure func(ctx context.Context, dir string, publishers int, period time.Duration) (accepted, error)

	rate []float64 // messages a second
	p50  []time.Duration
}

// accepted is what one alternation has measured.
type accepted struct {
	Rate float64 `json:"rate"` // messages a second
	P50  float64 `json:"p50"`  // nanoseconds until one was accepted
}

// queued compares how fast messages are accepted: by our queue, which syncs each
// before it says so, and by an embedded NATS server with and without that.
func queued(ctx context.Context, dir string, o options) error {
	fmt.Printf("\n== accepting messages of %d bytes: %d alternations of %v\n", queueBody, o.rounds, o.period)
	mk := func() []*accepter { return []*accepter{{name: "rouse, synced", measure: publishOurs}} }
	program, err := buildNATS(ctx, dir)
	if err != nil {
		fmt.Println("NATS is left out:", err)
	} else {
		ours := mk
		mk = func() []*accepter {
			return append(ours(), &accepter{name: "nats, synced", measure: publishNATS(program, true)},
				&accepter{name: "nats, not synced", measure: publishNATS(program, false)})
		}
	}
	for _, publishers := range []int{1000, 16} {
		sides := mk()
		for round := range o.rounds {
			for _, s := range sides {
				place := filepath.Join(dir, fmt.Sprintf("queue-%d-%d", publishers, round))
				got, err := s.measure(ctx, place, publishers, o.period)
				if rerr := os.RemoveAll(place); err == nil {
					err = rerr
				}
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				s.rate, s.p50 = append(s.rate, got.Rate), append(s.p50, time.Duration(got.P50))
			}
		}
		reportQueued(publishers, sides)
	}
	return nil
}

func reportQueued(publishers int, sides []*accepter) {
	fmt.Printf("%4d publishers  %19s %12s %10s\n", publishers, "accepted/s", "p50", "rouse ÷")
	ours := sides[0]
	for _, s := range sides {
		fmt.Printf("  %-18s %14.0f %12s %10.2f\n", s.name, median(s.rate), ms(median(s.p50)), median(ratios(ours.rate, s.rate)))
	}
	if publishers == 1000 {
		fmt.Printf("  aim: ≥ 50,000/s: %s\n", verdict(median(ours.rate) >= 50_000))
	} else {
		fmt.Printf("  aim: p50 ≤ 3 ms: %s\n", verdict(median(ours.p50) <= 3*time.Millisecond))
	}
}

// publishOurs publishes to a queue of ours, each message in a call of its own.
func publishOurs(ctx context.Context, dir string, publishers int, period time.Duration) (a accepted, err error) {
	q, err := pebble.Open(dir, pebble.Config{})
	if err != nil {
		return a, err
	}
	defer func() {
		if cerr := q.Close(); err == nil {
			err = cerr
		}
	}()
	took := make([][]time.Duration, publishers)
	errs := make(chan error, publishers)
	body := make([]byte, queueBody)
	begin := time.Now()
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			m := queue.Message{Stream: fmt.Sprint("async/bench/", p%100), Body: body}
			for at := time.Now(); at.Sub(begin) < period; {
				m.ID = strconv.Itoa(p) + "-" + strconv.Itoa(len(took[p]))
				if err := q.Publish(ctx, m); err != nil {
					errs <- err
					return
				}
				now := time.Now()
				took[p] = append(took[p], now.Sub(at))
				at = now
			}
		})
	}
	all.Wait()
	if len(errs) > 0 {
		return a, <-errs
	}
	elapsed := time.Since(begin)
	times := slices.Concat(took...)
	return accepted{Rate: float64(len(times)) / elapsed.Seconds(), P50: float64(median(times))}, nil
}

// buildNATS builds the program in the folder nats, which is a module of its own.
func buildNATS(ctx context.Context, dir string) (program string, err error) {
	program = filepath.Join(dir, "nats-bench")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = filepath.Join("test", "bench", "nats")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building it: %w\n%s", err, out)
	}
	return program, nil
}

// publishNATS runs that program once.
func publishNATS(program string, synced bool) func(context.Context, string, int, time.Duration) (accepted, error) {
	return func(ctx context.Context, dir string, publishers int, period time.Duration) (a accepted, err error) {
		out, err := exec.CommandContext(ctx, program, "-dir", dir, "-publishers", strconv.Itoa(publishers), "-size", strconv.Itoa(queueBody),
			"-period", period.String(), "-sync="+strconv.FormatBool(synced)).Output()
		if err != nil {
			return a, err
		}
		return a, json.Unmarshal(out, &a)
	}
}
