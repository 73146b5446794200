package client

import (
	"context"
	"net/http"
	"net/url"

	"rouse.dev/rouse/api"
)

// Images lists the references that stand for something on the server because
// it was told so, in their order.
func (c *Client) Images(ctx context.Context) ([]api.Image, error) {
	out, err := get[api.ImageList](ctx, c, http.MethodGet, "/v1/images", nil)
	return out.Images, err
}

// SetImage makes a reference stand for an uploaded source or for what a
// function runs.
func (c *Client) SetImage(ctx context.Context, req api.ImageRequest) (api.Image, error) {
	return get[api.Image](ctx, c, http.MethodPut, "/v1/images", req)
}

// RemoveImage makes the server forget what a reference stands for.
func (c *Client) RemoveImage(ctx context.Context, reference string) error {
	return c.ask(ctx, http.MethodDelete, "/v1/images", url.Values{"reference": {reference}}, nil, nil)
}

// Store lists the functions the server brings.
func (c *Client) Store(ctx context.Context) ([]api.StoreFunction, error) {
	out, err := get[api.Store](ctx, c, http.MethodGet, "/store.json", nil)
	return out.Functions, err
}
