package control

import (
	"context"
	"errors"

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
