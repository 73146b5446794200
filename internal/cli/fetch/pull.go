package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/cli/tree"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/stack"
)

// Folder is where a project, like a repository of templates, has them.
const Folder = "template"

// Pull says what to bring where.
type Pull struct {
	Source    Source
	Folder    string   // of a Source with a Path, absolute
	Project   string   // gets the templates in its Folder
	Only      []string // names wanted; empty: all
	Overwrite bool     // replace templates the project has
}

// Pulled says what Do did.
type Pulled struct {
	Written []string // names brought
	Kept    []string // names the project had and kept
}

// Do fetches templates.
func (p Pull) Do(ctx context.Context) (Pulled, error) {
	dir, done, err := p.checkout(ctx)
	if err != nil {
		return Pulled{}, err
	}
	defer done()
	from, err := os.OpenRoot(dir)
	if err != nil {
		return Pulled{}, fmt.Errorf("opening what was fetched: %w", err)
	}
	defer from.Close()
	to, err := os.OpenRoot(p.Project)
	if err != nil {
		return Pulled{}, fn.Errorf(fn.Invalid, "opening the project: %w", err)
	}
	defer to.Close()
	names, err := list(from)
	if err != nil {
		return Pulled{}, err
	}
	if len(names) == 0 {
		return Pulled{}, fn.Errorf(fn.NotFound, "%s has no templates: it has no folder %s with folders in it", p.Source, Folder)
	}
	for _, want := range p.Only {
		if !slices.Contains(names, want) {
			return Pulled{}, fn.WithHint(fn.Errorf(fn.NotFound, "%s has no template %s", p.Source, want), "it has %s", strings.Join(names, ", "))
		}
	}
	return p.copy(from, to, names)
}

// checkout returns a folder with the source's files; done removes it if it was
// made for this.
func (p Pull) checkout(ctx context.Context) (dir string, done func(), err error) {
	src := p.Source
	if src.URL == "" {
		if info, err := os.Stat(p.Folder); err != nil || !info.IsDir() {
			return "", nil, fn.Errorf(fn.NotFound, "there is no folder %s with templates", src.Path)
		}
		if _, err := os.Stat(path.Join(p.Folder, Folder)); err == nil && src.Ref+src.SHA == "" {
			return p.Folder, func() {}, nil
		}
		src.URL = fileURL(p.Folder)
	}
	dir, err = os.MkdirTemp("", "rouse-templates-")
	if err != nil {
		return "", nil, fmt.Errorf("making a folder to fetch into: %w", err)
	}
	done = func() { _ = os.RemoveAll(dir) }
	if err := clone(ctx, src, dir); err != nil {
		done()
		return "", nil, err
	}
	return dir, done, nil
}

func (p Pull) copy(from, to *os.Root, names []string) (out Pulled, err error) {
	copier := &tree.Copier{To: to}
	for _, name := range names {
		if len(p.Only) > 0 && !slices.Contains(p.Only, name) {
			continue
		}
		at := path.Join(Folder, name)
		if _, err := to.Lstat(at); err == nil {
			if !p.Overwrite {
				out.Kept = append(out.Kept, name)
				continue
			}
			if err := to.RemoveAll(at); err != nil {
				return out, fmt.Errorf("replacing %s: %w", at, err)
			}
		}
		if err := copyOne(copier, from, at); err != nil {
			return out, errors.Join(fmt.Errorf("copying the template %s: %w", name, err), to.RemoveAll(at))
		}
		out.Written = append(out.Written, name)
	}
	return out, nil
}

func copyOne(copier *tree.Copier, from *os.Root, at string) error {
	sub, err := from.OpenRoot(at)
	if err != nil {
		return err
	}
	defer sub.Close()
	return copier.Folder(sub, at, nil)
}

// List names the templates a project has, in order.
func List(project string) ([]string, error) {
	root, err := os.OpenRoot(project)
	if err != nil {
		return nil, fn.Errorf(fn.NotFound, "opening the project: %w", err)
	}
	defer root.Close()
	return list(root)
}

func list(root *os.Root) ([]string, error) {
	dir, err := root.Open(Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "opening the folder %s: %w", Folder, err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "reading the folder %s: %w", Folder, err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && stack.ValidTemplate(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Language reads the description of a template of a project. A template
// without one has an empty description.
func Language(project, name string) (*stack.Language, error) {
	root, err := os.OpenRoot(project)
	if err != nil {
		return nil, fn.Errorf(fn.NotFound, "opening the project: %w", err)
	}
	defer root.Close()
	at := path.Join(Folder, name)
	if info, err := root.Stat(at); err != nil || !info.IsDir() {
		return nil, fn.Errorf(fn.NotFound, "the project has no template %s", name)
	}
	text, err := readFrom(root, path.Join(at, stack.TemplateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return stack.ParseLanguage([]byte("{}"))
	}
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "reading %s of the template %s: %w", stack.TemplateFile, name, err)
	}
	l, err := stack.ParseLanguage(text)
	return l, fn.WithHint(err, "mend %s", path.Join(at, stack.TemplateFile))
}

func readFrom(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, stack.MaxBytes+1))
}
