package openfaas

import (
	"context"
	"net/http"

	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

// Secrets keeps values that functions read and nobody else. They cannot be
// read back.
type Secrets interface {
	// Secrets lists those of a namespace in name order.
	Secrets(ctx context.Context, namespace string) ([]fn.Secret, error)
	// CreateSecret makes one; fn.Conflict if it is there.
	CreateSecret(ctx context.Context, namespace, name string, value []byte) error
	// UpdateSecret changes one; fn.NotFound if it is not there.
	UpdateSecret(ctx context.Context, namespace, name string, value []byte) error
	// RemoveSecret removes one; fn.NotFound if it is not there.
	RemoveSecret(ctx context.Context, namespace, name string) error
}

// value is what a client means to store. Some send a text with the white space
// around it cut off, and beside it the bytes as they were: those are meant.
func (s *secret) value() []byte {
	if len(s.Raw) > 0 {
		return s.Raw
	}
	return []byte(s.Value)
}

func listSecrets(c *call) error {
	namespace, err := c.enter(c.param("namespace"))
	if err != nil {
		return err
	}
	all, err := c.Secrets.Secrets(c.r.Context(), namespace)
	if err != nil {
		return err
	}
	out := []secret{}
	for _, s := range all {
		out = append(out, secret{Name: s.Name, Namespace: deployment.NamespaceOut(s.Namespace)})
	}
	return c.json(http.StatusOK, out)
}

func createSecret(c *call) error {
	return c.changeSecret(http.StatusCreated, func(ctx context.Context, namespace string, s *secret) error {
		return c.Secrets.CreateSecret(ctx, namespace, s.Name, s.value())
	})
}

func updateSecret(c *call) error {
	return c.changeSecret(http.StatusAccepted, func(ctx context.Context, namespace string, s *secret) error {
		return c.Secrets.UpdateSecret(ctx, namespace, s.Name, s.value())
	})
}

func removeSecret(c *call) error {
	return c.changeSecret(http.StatusAccepted, func(ctx context.Context, namespace string, s *secret) error {
		return c.Secrets.RemoveSecret(ctx, namespace, s.Name)
	})
}

// changeSecret does something with the secret in the body, whose namespace may
// stand in the query instead.
func (c *call) changeSecret(status int, do func(context.Context, string, *secret) error) error {
	var req secret
	if err := c.read(&req); err != nil {
		return err
	}
	asked := req.Namespace
	if asked == "" {
		asked = c.param("namespace")
	}
	namespace, err := c.enter(asked)
	if err != nil {
		return err
	}
	if err := fn.ValidateSecretName("name", req.Name); err != nil {
		return err
	}
	switch err := do(c.r.Context(), namespace, &req); fn.KindOfCall(err) {
	case fn.NotFound: // in the words of these clients, who call the default namespace by another name
		return fn.Errorf(fn.NotFound, "there is no secret %s in namespace %s", req.Name, deployment.NamespaceOut(namespace))
	case fn.Conflict:
		return fn.Errorf(fn.Conflict, "secret %s exists already in namespace %s", req.Name, deployment.NamespaceOut(namespace))
	default:
		if err != nil {
			return err
		}
	}
	return c.done(status)
}
