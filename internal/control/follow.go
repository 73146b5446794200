package control

import (
	"context"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/timer"
)

// Stored returns a function as it is stored, or fn.NotFound. It is cheaper
// than Function, which also looks at what runs. What it returns is shared with
// other callers: it is for reading.
func (c *Controller) Stored(ctx context.Context, ref fn.Ref) (fn.Function, error) {
	o, err := c.getObject(ctx, ref)
	if err != nil {
		return fn.Function{}, err
	}
	return c.seen.function(o)
}

// Follow calls change for each function there is, then for each change, until
// ctx ends, and returns nil then. If changes came faster than they were
// followed, it begins anew with a Reset.
func (c *Controller) Follow(ctx context.Context, change func(timer.Change)) error {
	for {
		change(timer.Change{Reset: true})
		objects, version, err := c.cfg.Store.List(ctx, store.Query{Kind: kindFunctions})
		if err != nil {
			return notEnded(ctx, err)
		}
		for _, o := range objects {
			if err := follow(store.Event{Object: o}, change); err != nil {
				return err
			}
		}
		if err := c.followFrom(ctx, version, change); fn.KindOf(err) != fn.Exhausted || err == nil {
			return notEnded(ctx, err)
		}
	}
}

func (c *Controller) followFrom(ctx context.Context, version uint64, change func(timer.Change)) error {
	for e, err := range c.cfg.Store.Watch(ctx, store.Query{Kind: kindFunctions}, version) {
		if err != nil {
			return err
		}
		if err := follow(e, change); err != nil {
			return err
		}
	}
	return nil
}

func follow(e store.Event, change func(timer.Change)) error {
	if e.Deleted {
		ref := fn.Ref{Namespace: e.Namespace, Name: e.Name}
		change(timer.Change{Function: fn.Function{Ref: ref}, Removed: true})
		return nil
	}
	f, err := decode[fn.Function](e.Object)
	if err != nil {
		return err
	}
	change(timer.Change{Function: f})
	return nil
}

// notEnded is err, unless it says no more than that ctx has ended.
func notEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
