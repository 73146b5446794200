package control

import (
	"context"
	"slices"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// Rollback serves an earlier revision again: the one before the present one
// if number is 0.
func (c *Controller) Rollback(ctx context.Context, ref fn.Ref, number int) (View, error) {
	old, version, end, err := c.beginExisting(ctx, ref)
	if err != nil {
		return View{}, err
	}
	defer end()
	if number == 0 {
		if number, err = c.before(ctx, old); err != nil {
			return View{}, err
		}
	}
	rev, err := c.revision(ctx, fn.RevisionRef{Ref: ref, Number: number})
	if err != nil {
		return View{}, err
	}
	if err := c.switchTo(ctx, old, version, rev); err != nil {
		if !takesTraffic(old, number) {
			c.cfg.Pool.Retire(rev.RevisionRef) // what has started of it is not wanted after all
		}
		return View{}, err
	}
	return c.Function(ctx, ref)
}

// switchTo moves all traffic to a kept revision, once it answers.
func (c *Controller) switchTo(ctx context.Context, old fn.Function, version uint64, rev fn.Revision) error {
	if err := c.cfg.Pool.Warm(ctx, rev.RevisionRef, c.warmth(old.Ref, rev.Spec)); err != nil {
		return err
	}
	next := old
	next.Spec, next.Replicas = rev.Spec, nil
	next.Traffic = []fn.Target{{Revision: rev.Number, Weight: 100}}
	return c.commit(ctx, old, next, version, nil)
}

// before finds the kept revision next below the one that serves now.
func (c *Controller) before(ctx context.Context, f fn.Function) (int, error) {
	now := f.Latest + 1
	for _, t := range f.Traffic {
		now = min(now, t.Revision)
	}
	revs, err := c.revisionsOf(ctx, f.Ref)
	if err != nil {
		return 0, err
	}
	for _, r := range slices.Backward(revs) {
		if r.Number < now {
			return r.Number, nil
		}
	}
	return 0, fn.WithHint(fn.Errorf(fn.NotFound, "%s has no revision before the one that serves", f.Ref),
		"rouse revisions %s shows what is kept", f.Name)
}

// Scale sets the number of instances; nil hands the function back to the
// autoscaler.
func (c *Controller) Scale(ctx context.Context, ref fn.Ref, replicas *int) (View, error) {
	old, version, end, err := c.beginExisting(ctx, ref)
	if err != nil {
		return View{}, err
	}
	defer end()
	next := old
	if next.Replicas = nil; replicas != nil {
		next.Replicas = new(*replicas)
	}
	if err := c.commit(ctx, old, next, version, nil); err != nil {
		return View{}, err
	}
	if replicas != nil {
		for _, t := range next.Traffic {
			c.cfg.Pool.Limit(fn.RevisionRef{Ref: ref, Number: t.Revision}, *replicas)
		}
	}
	return c.Function(ctx, ref)
}

// Remove deletes a function with all its revisions, and lets its instances
// finish what they have in hand.
func (c *Controller) Remove(ctx context.Context, ref fn.Ref) error {
	f, version, end, err := c.beginExisting(ctx, ref)
	if err != nil {
		return err
	}
	defer end()
	revs, err := c.revisionsOf(ctx, ref)
	if err != nil {
		return err
	}
	changes := []store.Change{{Key: functionKey(ref), IfVersion: version}}
	for _, r := range revs {
		changes = append(changes, store.Change{Key: revisionKey(r.RevisionRef), IfVersion: store.AnyVersion})
	}
	if _, err := c.cfg.Store.Apply(ctx, changes...); err != nil {
		return err
	}
	c.burn(f)
	c.cfg.Routes.Delete(ref)
	for _, r := range revs {
		c.cfg.Pool.Retire(r.RevisionRef)
	}
	return c.forget(ref)
}

// forget drops what is kept about a function besides the store.
func (c *Controller) forget(ref fn.Ref) error {
	if c.cfg.Forget != nil {
		c.cfg.Forget(ref)
	}
	return c.cfg.Logs.Remove(ref)
}
