package runtimes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// New writes the starter files of a function into dir, which must be missing
// or empty, and returns their names. In files ending in .tmpl (the ending is
// dropped), .yaml and .md the placeholder {{name}} becomes the function's.
func (r *Runtime) New(dir, name string) ([]string, error) {
	if err := fn.ValidateName("name", name); err != nil {
		return nil, err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fn.WithHint(fn.Errorf(fn.Conflict, "%s is not empty", dir), "choose another name or folder")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fn.Errorf(fn.Internal, "making the folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "opening the folder: %w", err)
	}
	defer root.Close()
	starter, err := fs.Sub(r.FS, "new")
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "runtime %s: %w", r.Name, err)
	}
	names, err := Copy(root, starter, ".", Values{"name": name})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fn.Errorf(fn.NotFound, "runtime %s has no starter files", r.Name)
	}
	return names, err
}

// Copy writes the files of from into the folder to of root and returns their
// names. Tests of the runtimes' own Go code stay behind. Placeholders are
// replaced in .tmpl files, whose ending is dropped, and in .yaml and .md
// files. A file that begins with "#!" becomes executable.
func Copy(root *os.Root, from fs.FS, to string, values Values) ([]string, error) {
	var names []string
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") {
			return err
		}
		data, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		target := path.Join(to, strings.TrimSuffix(name, ".tmpl"))
		if err := write(root, target, data, strings.HasSuffix(name, ".tmpl"), values); err != nil {
			return err
		}
		names = append(names, target)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("copying the runtime's files: %w", err)
	}
	return names, nil
}

// CopyFile is Copy for one file; to is the file's own name.
func CopyFile(root *os.Root, from fs.FS, name, to string, values Values) error {
	data, err := fs.ReadFile(from, name)
	if err != nil {
		return fmt.Errorf("copying the runtime's files: %w", err)
	}
	return write(root, to, data, strings.HasSuffix(name, ".tmpl"), values)
}

func write(root *os.Root, target string, data []byte, replace bool, values Values) error {
	if replace || path.Ext(target) == ".yaml" || path.Ext(target) == ".md" {
		data = []byte(values.In(string(data)))
	}
	mode := fs.FileMode(0o644)
	if bytes.HasPrefix(data, []byte("#!")) {
		mode = 0o755
	}
	if dir := path.Dir(target); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making %s: %w", dir, err)
		}
	}
	if err := root.WriteFile(target, data, mode); err != nil {
		return fmt.Errorf("writing %s: %w", target, err)
	}
	return nil
}
