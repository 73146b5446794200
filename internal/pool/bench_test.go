package pool

import (
	"context"
	"log/slog"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

// BenchmarkTry takes and gives back the slot of a warm instance: what every
// call does.
func BenchmarkTry(b *testing.B) {
	for name, metric := range map[string]fn.Metric{"classic": "", "rps": fn.MetricRPS, "cpu": fn.MetricCPU} {
		b.Run(name, func(b *testing.B) {
			e := &memEngine{}
			pool := New(Config{
				Engine: e, Logs: noLogs{}, Log: slog.New(slog.DiscardHandler),
				Source: oneSource{Launch{Policy: goal(metric, 1e6, nil), Program: fn.Program{Listen: fn.ListenSocket}}},
			})
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- pool.Run(ctx) }()
			s, err := pool.Admit(ctx, &rev1, fn.CallID{})
			if err != nil {
				b.Fatal(err)
			}
			s.finish()
			b.ReportAllocs()
			for b.Loop() {
				s := pool.Try(&rev1, fn.CallID{})
				if s == nil {
					b.Fatal("no warm slot")
				}
				s.finish()
			}
			cancel()
			if err := <-ended; err != nil {
				b.Error(err)
			}
		})
	}
}
