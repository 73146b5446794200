// Package function answers HTTP requests.
package function

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
)

// Handle answers one request. It may also be written as
// func Handle(w http.ResponseWriter, r *http.Request).
func Handle(ctx context.Context, r *http.Request) (string, error) {
	name := r.URL.Query().Get("name")
	if name == "" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return "", err
		}
		name = cmp.Or(string(body), "world")
	}
	slog.InfoContext(ctx, "greeting", "name", name)
	return fmt.Sprintf("Hello, %s!\n", name), nil
}
