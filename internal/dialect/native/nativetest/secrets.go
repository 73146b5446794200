package nativetest

import (
	"context"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// heldSecret is a secret in the clear: the fake has nothing to hide.
type heldSecret struct {
	fn.Secret
	value string
}

func secretName(namespace, name string) string { return namespace + "/" + name }

// Secrets implements native.Secrets.
func (f *Fake) Secrets(_ context.Context, namespace string) ([]fn.Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.namespaceLocked(namespace); err != nil {
		return nil, err
	}
	var out []fn.Secret
	for _, s := range f.secrets {
		if s.Namespace == namespace {
			out = append(out, s.Secret)
		}
	}
	slices.SortFunc(out, func(a, b fn.Secret) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// CreateSecret implements native.Secrets.
func (f *Fake) CreateSecret(_ context.Context, namespace, name string, value []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.namespaceLocked(namespace); err != nil {
		return err
	}
	if _, ok := f.secrets[secretName(namespace, name)]; ok {
		return fn.WithHint(fn.Errorf(fn.Conflict, "secret %s exists already in namespace %s", name, namespace), "rouse secret update %s", name)
	}
	if len(value) > fn.MaxSecretValue {
		return fn.Errorf(fn.TooLarge, "a secret has at most %s", fn.FormatBytes(fn.MaxSecretValue))
	}
	f.secrets[secretName(namespace, name)] = heldSecret{
		fn.Secret{Namespace: namespace, Name: name, Created: Epoch, Updated: Epoch}, string(value),
	}
	return nil
}

// UpdateSecret implements native.Secrets.
func (f *Fake) UpdateSecret(_ context.Context, namespace, name string, value []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.secrets[secretName(namespace, name)]
	if !ok {
		return noSecret(namespace, name)
	}
	s.value = string(value)
	f.secrets[secretName(namespace, name)] = s
	return nil
}

// RemoveSecret implements native.Secrets.
func (f *Fake) RemoveSecret(_ context.Context, namespace, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.secrets[secretName(namespace, name)]; !ok {
		return noSecret(namespace, name)
	}
	delete(f.secrets, secretName(namespace, name))
	return nil
}

func noSecret(namespace, name string) error {
	return fn.WithHint(fn.Errorf(fn.NotFound, "there is no secret %s in namespace %s", name, namespace), "rouse secret list shows those there are")
}

// SecretValue returns what a test has stored, for tests alone.
func (f *Fake) SecretValue(namespace, name string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.secrets[secretName(namespace, name)]
	return s.value, ok
}

func (f *Fake) namespaceLocked(name string) error {
	if _, ok := f.namespaces[name]; !ok {
		return fn.Errorf(fn.NotFound, "there is no namespace %s", name)
	}
	return nil
}
