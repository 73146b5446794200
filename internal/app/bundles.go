package app

import (
	"context"
	"net/http"

	"rouse.dev/rouse/internal/bundles"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas/functionstore"
	"rouse.dev/rouse/internal/fn"
)

// brought answers references by the functions Rouse brings.
type brought struct{ set *bundles.Set }

func (b brought) Resolve(_ context.Context, ref fn.ImageRef) (control.Bundle, error) {
	found, ok := b.set.Find(ref)
	if !ok {
		return control.Bundle{}, fn.NotFound
	}
	return control.Bundle{Spec: found.Spec, Files: found.Files}, nil
}

// withStore answers what belongs to the function store, and leaves the rest
// to next.
func (w *parts) withStore(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	for _, pattern := range functionstore.Patterns {
		mux.Handle(pattern, functionstore.Handler(w.bundles.Store()))
	}
	mux.Handle("/", next)
	return mux
}
