package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"rouse.dev/rouse/api"
)

// ListOptions selects functions. The zero value selects all.
type ListOptions struct {
	Namespace string            // "": all the account may see
	Labels    map[string]string // a function must have all of them
}

// Functions lists functions in order of namespace and name.
func (c *Client) Functions(ctx context.Context, o ListOptions) ([]api.Function, error) {
	path := "/v1/functions"
	if o.Namespace != "" {
		path = join("v1", "namespaces", o.Namespace, "functions")
	}
	query := url.Values{}
	if len(o.Labels) > 0 {
		var pairs []string
		for k, v := range o.Labels {
			if strings.ContainsAny(k+v, ",") || strings.Contains(k, "=") {
				return nil, fmt.Errorf("label %s=%s cannot be selected by", k, v)
			}
			pairs = append(pairs, k+"="+v)
		}
		slices.Sort(pairs)
		query.Set("labels", strings.Join(pairs, ","))
	}
	var out api.FunctionList
	err := c.ask(ctx, http.MethodGet, path, query, nil, &out)
	return out.Functions, err
}

// Function describes one function.
func (c *Client) Function(ctx context.Context, ref Ref) (api.Function, error) {
	return get[api.Function](ctx, c, http.MethodGet, ref.path(), nil)
}

// Remove deletes a function with all its revisions.
func (c *Client) Remove(ctx context.Context, ref Ref) error {
	return c.ask(ctx, http.MethodDelete, ref.path(), nil, nil, nil)
}

// Scale sets the number of instances; nil hands the function back to the
// autoscaler.
func (c *Client) Scale(ctx context.Context, ref Ref, replicas *int) (api.Function, error) {
	return get[api.Function](ctx, c, http.MethodPost, ref.path("scale"), api.ScaleRequest{Replicas: replicas})
}

// Rollback serves an earlier revision again, the one before the present one
// if revision is 0.
func (c *Client) Rollback(ctx context.Context, ref Ref, revision int) (api.Function, error) {
	return get[api.Function](ctx, c, http.MethodPost, ref.path("rollback"), api.RollbackRequest{Revision: revision})
}

// Revisions lists the kept revisions of a function, newest first.
func (c *Client) Revisions(ctx context.Context, ref Ref) ([]api.Revision, error) {
	out, err := get[api.RevisionList](ctx, c, http.MethodGet, ref.path("revisions"), nil)
	return out.Revisions, err
}

// Instances lists what runs of a function, oldest first.
func (c *Client) Instances(ctx context.Context, ref Ref) ([]api.Instance, error) {
	out, err := get[api.InstanceList](ctx, c, http.MethodGet, ref.path("instances"), nil)
	return out.Instances, err
}

// get asks for a T.
func get[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	err := c.ask(ctx, method, path, nil, in, &out)
	return out, err
}
