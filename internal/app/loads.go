package app

import (
	"iter"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/logs"
	"rouse.dev/rouse/internal/observe"
	"rouse.dev/rouse/internal/pool"
)

// loads shows the pool's present to the metrics.
type loads struct{ pool *pool.Pool }

// Loads implements observe.Source.
func (l loads) Loads() iter.Seq[observe.Load] {
	return func(yield func(observe.Load) bool) {
		for _, s := range l.pool.Stats(fn.Ref{}) {
			load := observe.Load{
				Ref: s.Revision.Ref, InFlight: s.InFlight, Held: s.Held, Wanted: s.Wanted,
				Instances: observe.Instances(s.Counts()),
				Min:       s.Min, Metric: s.Scale.Metric, Goal: s.Scale.Goal,
			}
			for _, i := range s.Instances {
				if i.Usage != nil {
					load.Meters = append(load.Meters, i.Usage)
				}
			}
			if !yield(load) {
				return
			}
		}
	}
}

// logNumbers shows what became of the functions' output to the metrics.
func logNumbers(s *logs.Store) []observe.Number {
	return []observe.Number{
		{
			Name: "rouse_log_dropped_lines_total", Help: "Lines of functions that were not kept: printed too fast, or the disk was slow or full.",
			Counter: true, Read: func() float64 { return float64(s.Stats().Dropped) },
		},
		{
			Name: "rouse_log_written_bytes_total", Help: "Bytes of functions' output written to disk.",
			Counter: true, Read: func() float64 { return float64(s.Stats().Bytes) },
		},
	}
}
