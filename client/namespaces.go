package client

import (
	"context"
	"net/http"

	"rouse.dev/rouse/api"
)

// Namespaces lists the namespaces the account may see, in order of name.
func (c *Client) Namespaces(ctx context.Context) ([]api.Namespace, error) {
	out, err := get[api.NamespaceList](ctx, c, http.MethodGet, "/v1/namespaces", nil)
	return out.Namespaces, err
}

// CreateNamespace makes a namespace.
func (c *Client) CreateNamespace(ctx context.Context, name string, labels map[string]string) (api.Namespace, error) {
	return get[api.Namespace](ctx, c, http.MethodPost, "/v1/namespaces", api.Namespace{Name: name, Labels: labels})
}

// DeleteNamespace removes an empty namespace.
func (c *Client) DeleteNamespace(ctx context.Context, name string) error {
	return c.ask(ctx, http.MethodDelete, join("v1", "namespaces", name), nil, nil, nil)
}
