package control

import (
	"context"
	"slices"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// Secrets lists the secrets of a namespace, or of all if it is "", in name
// order.
func (c *Controller) Secrets(ctx context.Context, namespace string) ([]fn.Secret, error) {
	if namespace != "" {
		if err := c.namespaceExists(ctx, namespace); err != nil {
			return nil, err
		}
	}
	sealed, err := c.sealedSecrets(ctx, namespace)
	if err != nil {
		return nil, err
	}
	all := make([]fn.Secret, 0, len(sealed))
	for _, s := range sealed {
		all = append(all, s.Secret)
	}
	return all, nil
}

// CreateSecret stores a value of at most secret.MaxValue bytes; fn.Conflict if
// there is a secret of that name.
func (c *Controller) CreateSecret(ctx context.Context, namespace, name string, value []byte) error {
	now := time.Now().UTC()
	change, err := c.sealed(fn.Secret{Namespace: namespace, Name: name, Created: now, Updated: now}, value)
	if err != nil {
		return err
	}
	if err := c.gate.enter(ctx); err != nil {
		return err
	}
	defer c.gate.leave()
	err = c.applyIn(ctx, namespace, []store.Change{change})
	if fn.KindOf(err) == fn.Conflict {
		return fn.WithHint(fn.Errorf(fn.Conflict, "secret %s exists already in namespace %s", name, namespace),
			"rouse secret update %s -n %s gives it another value", name, namespace)
	}
	return err
}

// UpdateSecret gives a secret another value. Instances that begin afterwards
// see the new one; those that run and use it are replaced, without failing a
// call. fn.NotFound if there is no such secret.
func (c *Controller) UpdateSecret(ctx context.Context, namespace, name string, value []byte) error {
	if err := c.gate.enter(ctx); err != nil {
		return err
	}
	defer c.gate.leave()
	old, version, err := c.secret(ctx, namespace, name)
	if err != nil {
		return err
	}
	next := old.Secret
	next.Updated = time.Now().UTC()
	change, err := c.sealed(next, value)
	if err != nil {
		return err
	}
	change.IfVersion = version
	if _, err := c.cfg.Store.Apply(ctx, change); err != nil {
		return err
	}
	c.renew(context.WithoutCancel(ctx), namespace, name) // stored: what runs must follow
	return nil
}

// RemoveSecret deletes a secret; fn.NotFound if there is none. What runs keeps
// it. What uses it cannot be started any more.
func (c *Controller) RemoveSecret(ctx context.Context, namespace, name string) error {
	if err := c.gate.enter(ctx); err != nil {
		return err
	}
	defer c.gate.leave()
	_, version, err := c.secret(ctx, namespace, name)
	if err != nil {
		return err
	}
	_, err = c.cfg.Store.Apply(ctx, store.Change{Key: secretKey(namespace, name), IfVersion: version})
	return err
}

// secretsExist is part of a deploy's validation.
func (c *Controller) secretsExist(ctx context.Context, namespace string, names []string) error {
	var ms fn.Mistakes
	missing := ""
	for i, name := range names {
		_, err := c.cfg.Store.Get(ctx, secretKey(namespace, name))
		switch {
		case fn.KindOf(err) == fn.NotFound && err != nil:
			missing = name
			ms.Add("secrets["+strconv.Itoa(i)+"]", "there is no secret %s in namespace %s", name, namespace)
		case err != nil:
			return err
		}
	}
	if len(ms) > 1 {
		missing = "NAME"
	}
	return fn.WithHint(ms.Err(), "make it first: rouse secret create %s -n %s", missing, namespace)
}

// renew replaces the running instances that use a secret.
func (c *Controller) renew(ctx context.Context, namespace, name string) {
	for _, s := range c.cfg.Pool.Stats(fn.Ref{}) {
		if s.Revision.Namespace != namespace {
			continue
		}
		r, err := c.revision(ctx, s.Revision)
		if err != nil { // removed: it ends by itself
			continue
		}
		if slices.Contains(r.Spec.Secrets, name) {
			c.cfg.Pool.Renew(s.Revision)
		}
	}
}
