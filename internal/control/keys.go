package control

import (
	"context"
	"errors"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// checkKeys warns of secrets that this server has no key for. It serves all
// the same: what does not use them runs.
func (c *Controller) checkKeys(ctx context.Context) error {
	all, err := c.sealedSecrets(ctx, "")
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := c.cfg.Secrets.Has(s.Sealed); err != nil {
			c.cfg.Log.Error("a secret cannot be opened", "namespace", s.Namespace, "secret", s.Name, "error", err, "hint", fn.Hint(err))
		}
	}
	return nil
}

// checkOpens makes sure that this server can open the secrets of a backup: its
// key is no part of it. What it has no key for is told in one error.
func (c *Controller) checkOpens(objects []store.Object) error {
	var errs []error
	var foreign error
	n := 0
	for _, o := range objects {
		if o.Kind != kindSecrets {
			continue
		}
		s, err := decode[sealedSecret](o)
		if err == nil {
			_, err = c.cfg.Secrets.Open(sealName(s.Namespace, s.Name), s.Sealed)
		}
		if fn.KindOf(err) == fn.Conflict && err != nil {
			n++
			foreign = err
			continue
		}
		errs = append(errs, err)
	}
	if foreign != nil {
		errs = append(errs, fn.WithHint(fn.Errorf(fn.Conflict, "this server has no key for %d secrets of the backup: %w", n, foreign),
			"%s", fn.Hint(foreign)))
	}
	return errors.Join(errs...)
}
