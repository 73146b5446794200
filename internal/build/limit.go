package build

import (
	"context"

	"rouse.dev/rouse/internal/fn"
)

// Limit lets n builds run at the same time; the others wait, and say so. It
// belongs below Cache: what need not be built should not wait.
func Limit(next Keyed, n int) Keyed {
	return &limiter{next: next, slots: make(chan struct{}, max(1, n))}
}

type limiter struct {
	next  Keyed
	slots chan struct{} // holds one value for each build that runs
}

func (l *limiter) Key(ctx context.Context, req Request) (string, error) { return l.next.Key(ctx, req) }

func (l *limiter) Build(ctx context.Context, req Request, progress func(Event)) (fn.Artifact, error) {
	select {
	case l.slots <- struct{}{}:
	default:
		progress(Event{Step: "queue", Line: "waiting for another build to end"})
		select {
		case l.slots <- struct{}{}:
		case <-ctx.Done():
			return fn.Artifact{}, fn.Errorf(fn.Canceled, "waiting for another build to end: %w", context.Cause(ctx))
		}
	}
	defer func() { <-l.slots }()
	return l.next.Build(ctx, req, progress)
}
