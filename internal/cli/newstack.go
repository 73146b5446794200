package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/cli/fetch"
	"rouse.dev/rouse/internal/cli/tree"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/stack"
)

// newStack is what new's flags say of a function from a template.
type newStack struct {
	template, url   string
	handler, prefix string
	add             string // stack file to add to
	quiet           bool
}

// newFromTemplate writes a function's folder as its template has it, and its
// entry in a stack file.
func (c *cli) newFromTemplate(ctx context.Context, name string, o newStack) error {
	if o.handler == "" {
		o.handler = name
	}
	file, text, err := c.checkNew(name, o)
	if err != nil {
		return err
	}
	lang, err := c.ensureTemplate(ctx, o)
	if err != nil {
		return err
	}
	entry := stack.Entry{Name: name, Lang: o.template, Handler: o.handler, Image: image(c.prefix(o), name)}
	text, err = stack.Append(text, entry)
	if err != nil {
		return fn.WithHint(err, "add the function to %s by hand, or name another file with --append", file)
	}
	files, err := copyHandler(c.Dir, path.Join(fetch.Folder, o.template, lang.HandlerFolder), o.handler)
	if err != nil {
		return err
	}
	if err := writeFile(c.path(file), text); err != nil {
		return errors.Join(fileError(file, err), os.RemoveAll(c.path(o.handler))) // it was not there before
	}
	c.note("  %s, %s", o.handler, count(files, "file"))
	c.note("  %s", file)
	if lang.Welcome != "" && !o.quiet {
		for line := range strings.Lines(lang.Welcome) {
			c.note("  │ %s", printable(strings.TrimRight(line, "\r\n")))
		}
	}
	return c.say(fmt.Sprintf("%s is written; put it there with: rouse deploy -f %s %s\n", name, file, name))
}

// checkNew finds every mistake that can be known before anything is written.
// It returns the stack file to write and what is in it.
func (c *cli) checkNew(name string, o newStack) (file string, text []byte, err error) {
	errs := []error{fn.ValidateName("name", name)}
	if !stack.ValidTemplate(o.template) {
		errs = append(errs, fn.Mistake{Field: "--template", Reason: fmt.Sprintf("%q is not the name of a template", o.template)})
	}
	if o.handler != "" && !filepath.IsLocal(filepath.FromSlash(o.handler)) {
		errs = append(errs, fn.Mistake{Field: "--handler", Reason: "must be a folder in or below this one"})
	}
	if err := errors.Join(errs...); err != nil {
		return "", nil, usage(err)
	}
	if _, err := os.Lstat(c.path(o.handler)); !errors.Is(err, fs.ErrNotExist) {
		return "", nil, fn.Errorf(fn.Conflict, "%s exists already", o.handler)
	}
	if o.add != "" {
		text, err = c.readManifest(o.add)
		return o.add, text, err
	}
	for _, file := range stack.FileNames {
		text, err = c.readManifest(file)
		if fn.KindOf(err) != fn.NotFound {
			return file, text, err
		}
	}
	return stack.FileNames[0], nil, nil
}

func (c *cli) prefix(o newStack) string {
	if o.prefix != "" {
		return o.prefix
	}
	return c.env(envPrefix)
}

// image is the reference of a new function's image.
func image(prefix, name string) string {
	if prefix = strings.Trim(prefix, "/ "); prefix != "" {
		return prefix + "/" + name + ":latest"
	}
	return name + ":latest"
}

// ensureTemplate fetches the template if it is not here and it is said where
// to get it.
func (c *cli) ensureTemplate(ctx context.Context, o newStack) (*stack.Language, error) {
	have, err := fetch.List(c.Dir)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(have, o.template) {
		address := o.url
		if address == "" {
			address = c.env(envTemplates)
		}
		if address == "" {
			return nil, fn.WithHint(fn.Errorf(fn.NotFound, "there is no template %s here", o.template),
				"say --template-url, or fetch it with rouse template pull URL or rouse template store pull %s", o.template)
		}
		if err := c.pullTemplates(ctx, address, fetch.Pull{Project: c.Dir, Only: []string{o.template}}); err != nil {
			return nil, err
		}
	}
	return fetch.Language(c.Dir, o.template)
}

// copyHandler writes a template's handler to the function's folder. What was
// written is removed again if not all of it can be.
func copyHandler(project, from, to string) (files int, err error) {
	root, err := os.OpenRoot(project)
	if err != nil {
		return 0, fileError(project, err)
	}
	defer root.Close()
	source, err := root.OpenRoot(from)
	if err != nil {
		return 0, fn.Errorf(fn.Invalid, "the template has no handler to begin with: opening %s: %w", from, err)
	}
	defer source.Close()
	copier := &tree.Copier{To: root}
	if err := copier.Folder(source, filepath.ToSlash(filepath.Clean(to)), nil); err != nil {
		return 0, errors.Join(fmt.Errorf("copying %s: %w", from, err), root.RemoveAll(to))
	}
	return copier.Files, nil
}

// writeFile puts text in the place of a file, all of it or nothing.
func writeFile(name string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".rouse-*")
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(name); err == nil {
		mode = info.Mode().Perm()
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
