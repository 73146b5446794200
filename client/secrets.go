package client

import (
	"context"
	"net/http"

	"rouse.dev/rouse/api"
)

// secrets is the place of a namespace's secrets in the API; an empty namespace
// is DefaultNamespace.
func secrets(namespace string, name ...string) string {
	return join(append([]string{"v1", "namespaces", Ref{Namespace: namespace}.namespace(), "secrets"}, name...)...)
}

// Secrets lists the secrets of a namespace in order of name, without their
// values: those cannot be read back.
func (c *Client) Secrets(ctx context.Context, namespace string) ([]api.Secret, error) {
	out, err := get[api.SecretList](ctx, c, http.MethodGet, secrets(namespace), nil)
	return out.Secrets, err
}

// CreateSecret makes a secret with a value of at most 1 MiB; an error of kind
// "conflict" if there is one of that name.
func (c *Client) CreateSecret(ctx context.Context, namespace, name string, value []byte) error {
	return c.ask(ctx, http.MethodPost, secrets(namespace), nil, api.NewSecret{Name: name, Value: given(value)}, nil)
}

// UpdateSecret gives a secret another value. Instances that use it are
// replaced by ones that see it.
func (c *Client) UpdateSecret(ctx context.Context, namespace, name string, value []byte) error {
	return c.ask(ctx, http.MethodPut, secrets(namespace, name), nil, api.SecretValue{Value: given(value)}, nil)
}

// RemoveSecret deletes a secret. What runs keeps it.
func (c *Client) RemoveSecret(ctx context.Context, namespace, name string) error {
	return c.ask(ctx, http.MethodDelete, secrets(namespace, name), nil, nil, nil)
}

// given makes sure that an empty value is not taken for one left out.
func given(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}
