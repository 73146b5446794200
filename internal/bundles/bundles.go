package bundles

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest"
)

//go:embed all:alpine all:store
var files embed.FS

// Repository is what the references of the store's functions begin with.
const Repository = "rouse.dev/store"

// userlands are the repositories answered by a userland whose program is
// chosen by the variable fprocess.
var userlands = []string{"docker.io/functions/alpine", "ghcr.io/openfaas/alpine"}

// Bundle is one function's source and how it is built and run.
type Bundle struct {
	Spec  fn.Spec
	Files fs.FS
}

// Set is the bundles there are. It is read-only after Load.
type Set struct {
	byName map[string]Bundle // by repository: "rouse.dev/store/env"
	store  []Function        // in order of name
}

// Load reads the embedded folders; its errors are mistakes in them.
func Load() (*Set, error) {
	s := &Set{byName: map[string]Bundle{}}
	userland, _, err := read("alpine")
	if err != nil {
		return nil, err
	}
	for _, name := range userlands {
		s.byName[name] = userland
	}
	entries, err := files.ReadDir("store")
	if err != nil {
		return nil, fmt.Errorf("reading the store: %w", err)
	}
	var errs []error
	for _, e := range entries {
		errs = append(errs, s.add(e.Name()))
	}
	return s, errors.Join(errs...)
}

// add reads one function of the store.
func (s *Set) add(name string) error {
	b, m, err := read(path.Join("store", name))
	if err != nil {
		return err
	}
	if m.Name != name {
		return fn.Errorf(fn.Internal, "store/%s: its manifest calls it %s", name, m.Name)
	}
	f, err := describe(name, b)
	if err != nil {
		return err
	}
	s.byName[Repository+"/"+name] = b
	s.store = append(s.store, f)
	return nil
}

// read reads one folder with one function.
func read(dir string) (Bundle, manifest.Function, error) {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		return Bundle{}, manifest.Function{}, fmt.Errorf("%s: %w", dir, err)
	}
	text, err := fs.ReadFile(sub, manifest.FileName)
	if err != nil {
		return Bundle{}, manifest.Function{}, fmt.Errorf("%s: %w", dir, err)
	}
	list, err := manifest.Parse(text)
	if err != nil {
		return Bundle{}, manifest.Function{}, fmt.Errorf("%s: %w", dir, err)
	}
	return Bundle{Spec: list[0].Spec, Files: sub}, list[0], nil
}

// Find returns the bundle that stands for a reference, whatever its tag.
func (s *Set) Find(ref fn.ImageRef) (Bundle, bool) {
	b, ok := s.byName[ref.Name()]
	return b, ok
}

// Store lists the functions of the store in order of name.
func (s *Set) Store() []Function { return s.store }
