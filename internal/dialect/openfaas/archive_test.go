package openfaas_test

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas"
	"rouse.dev/rouse/internal/fn"
)

// archive writes a source whose only file holds text.
func archive(to io.Writer, text string) error {
	z := gzip.NewWriter(to)
	w := tar.NewWriter(z)
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "handler.py", Size: int64(len(text)), Mode: 0o644})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	return errors.Join(err, w.Close(), z.Close())
}

// secretsOf is where the rig keeps secrets.
func secretsOf(*control.Controller) openfaas.Secrets { return &memSecrets{} }

// memSecrets keeps secrets in memory.
type memSecrets struct {
	mu     sync.Mutex
	values map[fn.Ref]string // guarded by mu
}

func (m *memSecrets) Secrets(_ context.Context, namespace string) ([]fn.Secret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []fn.Secret
	for ref := range m.values {
		if ref.Namespace == namespace {
			out = append(out, fn.Secret{Namespace: namespace, Name: ref.Name, Created: time.Now()})
		}
	}
	slices.SortFunc(out, func(a, b fn.Secret) int { return len(a.Name) - len(b.Name) })
	return out, nil
}

func (m *memSecrets) CreateSecret(_ context.Context, namespace, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ref := fn.Ref{Namespace: namespace, Name: name}
	if _, ok := m.values[ref]; ok {
		return fn.Errorf(fn.Conflict, "secret %s exists already", name)
	}
	m.values = maps.Clone(m.values)
	if m.values == nil {
		m.values = map[fn.Ref]string{}
	}
	m.values[ref] = string(value)
	return nil
}

func (m *memSecrets) UpdateSecret(_ context.Context, namespace, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ref := fn.Ref{Namespace: namespace, Name: name}
	if _, ok := m.values[ref]; !ok {
		return fn.Errorf(fn.NotFound, "there is no secret %s", name)
	}
	m.values[ref] = string(value)
	return nil
}

func (m *memSecrets) RemoveSecret(_ context.Context, namespace, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ref := fn.Ref{Namespace: namespace, Name: name}
	if _, ok := m.values[ref]; !ok {
		return fn.Errorf(fn.NotFound, "there is no secret %s", name)
	}
	delete(m.values, ref)
	return nil
}
