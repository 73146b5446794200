package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"rouse.dev/rouse/api"
)

// Deploy makes a new revision of a function and waits until it serves.
// progress (may be nil) is called for each step in this goroutine. If the
// deploy fails nothing has changed, and the error is an *api.Error with the
// last output of the build or program. ctx ending undoes the deploy.
func (c *Client) Deploy(ctx context.Context, ref Ref, req api.DeployRequest, progress func(api.DeployEvent)) (api.Function, error) {
	body, err := jsonBody(req)
	if err != nil {
		return api.Function{}, err
	}
	resp, err := c.send(ctx, http.MethodPut, ref.path(), nil, body, jsonType)
	if err != nil {
		return api.Function{}, err
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for {
		var e api.DeployEvent
		switch err := dec.Decode(&e); {
		case errors.Is(err, io.EOF):
			return api.Function{}, errors.New("the server broke off the deploy without saying how it ended")
		case err != nil:
			return api.Function{}, fmt.Errorf("following the deploy: %w", err)
		case e.Error != nil:
			return api.Function{}, e.Error
		case e.Function != nil:
			return *e.Function, nil
		case progress != nil:
			progress(e)
		}
	}
}

// HasSource says whether the server still has an uploaded source.
func (c *Client) HasSource(ctx context.Context, digest string) (bool, error) {
	err := c.ask(ctx, http.MethodGet, join("v1", "sources", digest), nil, nil, nil)
	if e, ok := errors.AsType[*api.Error](err); ok && e.Kind == "not-found" {
		return false, nil
	}
	return err == nil, err
}

// UploadSource sends a source archive (tar.gz) and returns its digest:
// "sha256:" and the hex SHA-256 of what was sent. An r with a length known to
// net/http (bytes.Reader and such) lets the server refuse too much at once.
func (c *Client) UploadSource(ctx context.Context, r io.Reader) (string, error) {
	resp, err := c.send(ctx, http.MethodPost, "/v1/sources", nil, r, "application/gzip")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var out api.Source
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return "", fmt.Errorf("reading the server's answer: %w", err)
	}
	return out.Digest, nil
}
