package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"rouse.dev/rouse/api"
)

// Queue describes what waits of asynchronous calls, over all functions the
// account may see.
func (c *Client) Queue(ctx context.Context) ([]api.QueueStream, error) {
	out, err := get[api.QueueList](ctx, c, http.MethodGet, "/v1/queue", nil)
	return out.Streams, err
}

// QueueOf describes what waits of one function's asynchronous calls. The
// function need not be there any more.
func (c *Client) QueueOf(ctx context.Context, ref Ref) ([]api.QueueStream, error) {
	out, err := get[api.QueueList](ctx, c, http.MethodGet, ref.path("queue"), nil)
	return out.Streams, err
}

// DeadLetters lists the dead letters of a function, the oldest first, at most
// limit; 0 leaves the number to the server.
func (c *Client) DeadLetters(ctx context.Context, ref Ref, limit int) ([]api.DeadLetter, error) {
	query := url.Values{}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var out api.DeadLetterList
	err := c.ask(ctx, http.MethodGet, ref.path("queue", "dead"), query, nil, &out)
	return out.Letters, err
}

// Redrive sends dead letters of a function on their way once more: those with
// the given ids, or all if there are none. It returns how many.
func (c *Client) Redrive(ctx context.Context, ref Ref, ids ...string) (int, error) {
	out, err := get[api.QueueChange](ctx, c, http.MethodPost, ref.path("queue", "redrive"),
		api.RedriveRequest{IDs: ids, All: len(ids) == 0})
	return out.Count, err
}

// Purge removes messages of a function. It returns how many.
func (c *Client) Purge(ctx context.Context, ref Ref, what api.PurgeRequest) (int, error) {
	out, err := get[api.QueueChange](ctx, c, http.MethodPost, ref.path("queue", "purge"), what)
	return out.Count, err
}

// Cancel drops an asynchronous call that waits, or ends one that runs.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.ask(ctx, http.MethodDelete, join("v1", "calls", id), nil, nil, nil)
}
