package app

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"

	"rouse.dev/rouse/internal/bundles"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas/builder"
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

// withBundles answers what belongs to the function store and to the Function
// Builder API, and leaves the rest to next.
func (w *parts) withBundles(next http.Handler) (http.Handler, error) {
	secret, err := readSecret(w.cfg.OpenFaaS.BuilderSecret)
	if err != nil {
		return nil, err
	}
	builds := builder.New(builder.Config{
		Control: w.control, Secret: secret, Tmp: w.dir.Tmp(), Upload: int64(w.cfg.Limits.Upload),
		InFlight: w.cfg.OpenFaaS.BuilderInFlight, Log: w.part("builder"),
	})
	mux := http.NewServeMux()
	for _, path := range builder.Paths {
		mux.Handle(path, builds)
	}
	for _, pattern := range functionstore.Patterns {
		mux.Handle(pattern, functionstore.Handler(w.bundles.Store()))
	}
	mux.Handle("/", next)
	return mux, nil
}

// Bounds of a payload secret in bytes: a shorter one can be guessed.
const minSecret, maxSecret = 16, 4096

// readSecret reads the file with the payload secret of builds, without the
// blanks around it; "" names none.
func readSecret(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fn.WithHint(fn.Errorf(fn.Invalid, "openfaas.builderSecret: %w", err), "write a secret of your own into that file")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "openfaas.builderSecret: %w", err)
	}
	if text = bytes.TrimSpace(text); len(text) < minSecret || len(text) > maxSecret {
		return nil, fn.Errorf(fn.Invalid, "openfaas.builderSecret: the secret in %s must have %d to %d bytes", path, minSecret, maxSecret)
	}
	return text, nil
}
