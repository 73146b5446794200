package runtimes

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// Set is the runtimes there are. It is read-only after Load.
type Set struct {
	byName map[string]*Runtime
	search []string // host folders in which programs are looked for
}

// Load reads every folder of builtin and then of dir, a folder on disk ("" or
// a missing one: none), whose runtimes replace those of the same name. search
// lists the host folders in which interpreters are looked for. A description
// that cannot be used is an Invalid error that names every mistake in all of
// them.
func Load(builtin fs.FS, dir string, search []string) (*Set, error) {
	s := &Set{byName: map[string]*Runtime{}, search: slices.Clone(search)}
	errs := []error{s.add(builtin)}
	if dir != "" {
		if _, err := os.Stat(dir); err == nil {
			errs = append(errs, s.add(os.DirFS(dir)))
		} else if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("reading runtimes: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// add reads the folders of one file system.
func (s *Set) add(fsys fs.FS) error {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return fmt.Errorf("reading runtimes: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		r, err := load(fsys, e.Name())
		if errors.Is(err, errNotFolder) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s.byName[r.Name] = r
	}
	return errors.Join(errs...)
}

func load(fsys fs.FS, name string) (*Runtime, error) {
	sub, err := fs.Sub(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("runtime %s: %w", name, err)
	}
	f, err := sub.Open(fileName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNotFolder
	}
	if err != nil {
		return nil, fmt.Errorf("runtime %s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDescription+1))
	if err != nil {
		return nil, fmt.Errorf("runtime %s: reading %s: %w", name, fileName, err)
	}
	r, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	r.FS = sub
	for _, file := range r.Files {
		if _, err := fs.Stat(sub, path.Clean(file.From)); err != nil {
			return nil, fn.Errorf(fn.Invalid, "runtime %s: %s: files: %w", name, fileName, err)
		}
	}
	return r, nil
}

// Get returns the runtime of that name, or an Invalid error that lists those
// there are.
func (s *Set) Get(name string) (*Runtime, error) {
	if r, ok := s.byName[name]; ok {
		return r, nil
	}
	return nil, fn.Mistake{Field: "runtime", Reason: fmt.Sprintf("%q is not one of %s", name, strings.Join(s.Names(), ", "))}
}

// Names returns the names of all runtimes, sorted.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.byName)) }

// All returns all runtimes, sorted by name.
func (s *Set) All() []*Runtime {
	out := make([]*Runtime, 0, len(s.byName))
	for _, name := range s.Names() {
		out = append(out, s.byName[name])
	}
	return out
}

// Detect returns the one runtime whose files are in source, or an Invalid
// error: none fits, or several do.
func (s *Set) Detect(source fs.FS) (string, error) {
	var fits []string
	for _, r := range s.All() {
		// The order of Detect is by how telling a file is: a manifest
		// decides before an ending does.
		if anyExists(source, r.Detect) {
			fits = append(fits, r.Name)
		}
	}
	if len(fits) > 1 {
		var sure []string
		for _, name := range fits {
			if _, err := s.byName[name].findHandler(source); err == nil {
				sure = append(sure, name)
			}
		}
		if len(sure) == 1 {
			return sure[0], nil
		}
	}
	if len(fits) == 1 {
		return fits[0], nil
	}
	reason := "none of the runtimes knows a file of this source"
	if len(fits) > 1 {
		reason = "the source fits several: " + strings.Join(fits, ", ")
	}
	return "", fn.WithHint(fn.Mistake{Field: "runtime", Reason: reason}, "name one of %s", strings.Join(s.Names(), ", "))
}

// digest names the content of a runtime's folder.
func (r *Runtime) digest() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(r.FS, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(r.FS, name)
		fmt.Fprintf(h, "%s %d\n", name, len(data))
		h.Write(data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}
