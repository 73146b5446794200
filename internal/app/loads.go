package app

import (
	"iter"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/observe"
	"rouse.dev/rouse/internal/pool"
)

// loads shows the pool's present to the metrics.
type loads struct{ pool *pool.Pool }

// Loads implements observe.Source.
func (l loads) Loads() iter.Seq[observe.Load] {
	return func(yield func(observe.Load) bool) {
		for _, s := range l.pool.Stats(fn.Ref{}) {
			load := observe.Load{Ref: s.Revision.Ref, InFlight: s.InFlight, Held: s.Held, Wanted: s.Wanted}
			load.Instances.Starting = s.Starting
			for _, i := range s.Instances {
				switch i.State {
				case "ready":
					load.Instances.Ready++
				case "busy":
					load.Instances.Busy++
				case "frozen":
					load.Instances.Frozen++
				case "draining":
					load.Instances.Draining++
				}
			}
			if !yield(load) {
				return
			}
		}
	}
}
