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
	return c.MakeNamespace(ctx, api.Namespace{Name: name, Labels: labels})
}

// MakeNamespace makes a namespace with all that one can have besides a name.
func (c *Client) MakeNamespace(ctx context.Context, ns api.Namespace) (api.Namespace, error) {
	return get[api.Namespace](ctx, c, http.MethodPost, "/v1/namespaces", ns)
}

// UpdateNamespace replaces the labels and annotations of ns.Name.
func (c *Client) UpdateNamespace(ctx context.Context, ns api.Namespace) (api.Namespace, error) {
	return get[api.Namespace](ctx, c, http.MethodPut, join("v1", "namespaces", ns.Name), ns)
}

// DeleteNamespace removes an empty namespace.
func (c *Client) DeleteNamespace(ctx context.Context, name string) error {
	return c.ask(ctx, http.MethodDelete, join("v1", "namespaces", name), nil, nil, nil)
}
