package changelog

import (
	"context"
	"iter"

	"rouse.dev/rouse/internal/store"
)

// Watch implements store.Store's method of that name.
func (l *Log) Watch(ctx context.Context, q store.Query, from uint64) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		if err := q.Check(); err != nil {
			yield(store.Event{}, err)
			return
		}
		for {
			if ctx.Err() != nil {
				yield(store.Event{}, context.Cause(ctx))
				return
			}
			changes, changed, err := l.read(from)
			if err != nil {
				yield(store.Event{}, err)
				return
			}
			if len(changes) == 0 {
				select {
				case <-changed:
				case <-ctx.Done():
				}
				continue
			}
			for _, c := range changes {
				if ctx.Err() != nil {
					break
				}
				from = c.Version
				if e, ok := view(c, q); ok && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// view returns the change as a watch of q sees it, in a copy of its own.
func view(c *Change, q store.Query) (store.Event, bool) {
	if q.Matches(c.Object) {
		return store.Event{Object: c.Object.Clone(), Deleted: c.Deleted}, true
	}
	if c.Before != nil && q.Matches(*c.Before) {
		gone := c.Before.Clone()
		gone.Version = c.Version
		return store.Event{Object: gone, Deleted: true}, true
	}
	return store.Event{}, false
}
