package control

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/secret"
	"rouse.dev/rouse/internal/store"
)

// sealedSecret is a secret as it is stored. What it is sealed for is its
// namespace/name.
type sealedSecret struct {
	fn.Secret
	Sealed secret.Sealed `json:"sealed"`
}

func sealName(namespace, name string) string { return namespace + "/" + name }

// validateSecret checks a secret as it is stored. Whether it can be opened is
// not looked at.
func validateSecret(s sealedSecret) error {
	return errors.Join(fn.ValidateName("namespace", s.Namespace), fn.ValidateSecretName("name", s.Name), secret.Check(s.Sealed))
}

// HasSecrets says whether a store holds secrets: then it needs its key.
func HasSecrets(ctx context.Context, s store.Store) (bool, error) {
	objects, _, err := s.List(ctx, store.Query{Kind: kindSecrets})
	return len(objects) > 0, err
}

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

func (c *Controller) sealedSecrets(ctx context.Context, namespace string) ([]sealedSecret, error) {
	objects, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindSecrets, Namespace: namespace})
	if err != nil {
		return nil, err
	}
	all := make([]sealedSecret, 0, len(objects))
	for _, o := range objects {
		s, err := decode[sealedSecret](o)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
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

// sealed makes the change that stores a new secret. Set IfVersion where it
// replaces one.
func (c *Controller) sealed(s fn.Secret, value []byte) (store.Change, error) {
	if err := errors.Join(fn.ValidateName("namespace", s.Namespace), fn.ValidateSecretName("name", s.Name)); err != nil {
		return store.Change{}, err
	}
	box, err := c.cfg.Secrets.Seal(sealName(s.Namespace, s.Name), value)
	if err != nil {
		return store.Change{}, err
	}
	b, err := encode(sealedSecret{Secret: s, Sealed: box})
	return store.Change{Key: secretKey(s.Namespace, s.Name), Value: b}, err
}

// secret reads a secret and the version it has in the store.
func (c *Controller) secret(ctx context.Context, namespace, name string) (sealedSecret, uint64, error) {
	if err := errors.Join(fn.ValidateName("namespace", namespace), fn.ValidateSecretName("name", name)); err != nil {
		return sealedSecret{}, 0, err
	}
	o, err := c.cfg.Store.Get(ctx, secretKey(namespace, name))
	if err != nil {
		if fn.KindOf(err) == fn.NotFound {
			err = fn.WithHint(fn.Errorf(fn.NotFound, "there is no secret %s in namespace %s", name, namespace),
				"rouse secret list -n %s shows what there is", namespace)
		}
		return sealedSecret{}, 0, err
	}
	s, err := decode[sealedSecret](o)
	return s, o.Version, err
}

// secretsExist is part of a deploy's validation.
func (c *Controller) secretsExist(ctx context.Context, namespace string, names []string) error {
	var ms fn.Mistakes
	for i, name := range names {
		_, err := c.cfg.Store.Get(ctx, secretKey(namespace, name))
		switch {
		case fn.KindOf(err) == fn.NotFound && err != nil:
			ms.Add("secrets["+strconv.Itoa(i)+"]", "there is no secret %s in namespace %s", name, namespace)
		case err != nil:
			return err
		}
	}
	return fn.WithHint(ms.Err(), "make it first: rouse secret create NAME -n %s", namespace)
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
