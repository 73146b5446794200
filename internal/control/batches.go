package control

import (
	"context"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// applyAll makes all changes of a restore, in one batch if they fit. If they
// do not, secrets are written before: many of them may be large, and one that
// no function of the time uses does no harm. Nothing is written if the rest
// does not fit either.
func (c *Controller) applyAll(ctx context.Context, changes []store.Change) error {
	err := store.CheckChanges(changes)
	if fn.KindOf(err) != fn.TooLarge || err == nil {
		_, err := c.cfg.Store.Apply(ctx, changes...)
		return err
	}
	early, rest := split(changes)
	if err := store.CheckChanges(rest); err != nil {
		return err
	}
	for _, batch := range append(early, rest) {
		if _, err := c.cfg.Store.Apply(ctx, batch...); err != nil {
			return err
		}
	}
	return nil
}

// split takes the writes of secrets out of changes, as batches that fit.
func split(changes []store.Change) (early [][]store.Change, rest []store.Change) {
	var batch []store.Change
	size := 0
	for _, ch := range changes {
		if ch.Kind != kindSecrets || ch.Value == nil {
			rest = append(rest, ch)
			continue
		}
		n := len(ch.Value) + len(ch.Kind) + len(ch.Namespace) + len(ch.Name)
		if size+n > store.MaxBatch {
			early, batch, size = append(early, batch), nil, 0
		}
		batch, size = append(batch, ch), size+n
	}
	if len(batch) > 0 {
		early = append(early, batch)
	}
	return early, rest
}
