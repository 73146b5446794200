package shrinkwrap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/cli/tree"
	"rouse.dev/rouse/internal/fn"
)

// left out of a handler's folder, at its top.
var leftOut = []string{"build", "template", ".git"}

// Context says what goes into a build context. Paths are slash-separated and
// relative to the project.
type Context struct {
	Template      string   // folder of the template; "": the handler is the context
	HandlerFolder string   // where the template wants the handler; "" with no template
	Handler       string   // folder of the function
	Extra         []string // files and folders that go beside the handler's
}

// Make writes a context into dest, an empty folder, and returns how many files
// there are. Nothing outside project is read.
func Make(project string, c Context, dest *os.Root) (files int, err error) {
	root, err := os.OpenRoot(project)
	if err != nil {
		return 0, fn.Errorf(fn.Invalid, "opening the project: %w", err)
	}
	defer root.Close()
	copier := &tree.Copier{To: dest}
	if c.Template != "" {
		if err := folder(root, c.Template, "the template", func(from *os.Root) error {
			return copier.Folder(from, ".", nil)
		}); err != nil {
			return 0, err
		}
	}
	at := path.Clean(c.HandlerFolder)
	err = folder(root, c.Handler, "the function's folder", func(from *os.Root) error {
		return copier.Folder(from, at, func(name string) bool { return slices.Contains(leftOut, name) })
	})
	if err != nil {
		return 0, err
	}
	for _, extra := range c.Extra {
		if e := copier.Path(root, extra, at); e != nil {
			err = errors.Join(err, fmt.Errorf("copying what the stack file adds: %w", e))
		}
	}
	return copier.Files, err
}

// folder opens a folder of the project and hands it to use.
func folder(root *os.Root, name, what string, use func(*os.Root) error) error {
	from, err := root.OpenRoot(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fn.Errorf(fn.NotFound, "there is no folder %s, %s", name, what)
	case err != nil && strings.Contains(err.Error(), "escapes"): // os has no error of its own for it
		return fn.Errorf(fn.Invalid, "%s, %s, leads out of the project", name, what)
	case err != nil:
		return fn.Errorf(fn.Invalid, "opening %s, %s: %w", name, what, err)
	}
	defer from.Close()
	if err := use(from); err != nil {
		return fmt.Errorf("copying %s: %w", name, err)
	}
	return nil
}

// Clear makes project/build/NAME an empty folder and opens it.
func Clear(project, name string) (*os.Root, error) {
	root, err := os.OpenRoot(project)
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "opening the project: %w", err)
	}
	defer root.Close()
	at := path.Join("build", name)
	if err := root.RemoveAll(at); err != nil {
		return nil, fn.Errorf(fn.Invalid, "clearing %s: %w", at, err)
	}
	if err := root.MkdirAll(at, 0o755); err != nil {
		return nil, fn.Errorf(fn.Invalid, "making %s: %w", at, err)
	}
	return root.OpenRoot(at)
}
