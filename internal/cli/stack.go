package cli

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/cli/fetch"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest"
	"rouse.dev/rouse/internal/manifest/stack"
)

// stackFlags are what deploy has for OpenFaaS's stack files only.
type stackFlags struct {
	filter       stack.Filter
	envsubst     bool
	shrinkwrap   bool
	readTemplate bool
	stackPull    bool
	parallel     int
	buildArgs    []string
	buildOptions []string
	copyExtra    []string
}

func (s *stackFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.filter.Glob, "filter", "", "stack file: only functions whose name fits, '*' stands for any text")
	f.StringVar(&s.filter.Regex, "regex", "", "stack file: only functions whose name matches a regular expression")
	f.BoolVar(&s.envsubst, "envsubst", true, "stack file: put variables in for ${NAME} and ${NAME:-default}")
	f.BoolVar(&s.shrinkwrap, "shrinkwrap", false, "stack file: only write the build contexts, to build/NAME")
	f.BoolVar(&s.readTemplate, "read-template", true, "stack file: take fprocess from the template where the function has none")
	f.BoolVar(&s.stackPull, "stack-pull", true, "stack file: fetch templates it names under configuration.templates")
	f.IntVar(&s.parallel, "parallel", 1, "stack file: deploy so many functions at once")
	f.StringArrayVarP(&s.buildArgs, "build-arg", "b", nil, "stack file: build argument, NAME=VALUE")
	f.StringArrayVar(&s.buildOptions, "build-option", nil, "stack file: build option of the template")
	f.StringArrayVar(&s.copyExtra, "copy-extra", nil, "stack file: further path to copy into the function")
	cmd.MarkFlagsMutuallyExclusive("filter", "regex")
}

// stackOnly names the flags of stackFlags.
var stackOnly = []string{"filter", "regex", "envsubst", "shrinkwrap", "read-template", "stack-pull", "parallel", "build-arg", "build-option", "copy-extra"}

// refuse says that a flag for stack files was given without one.
func refuse(cmd *cobra.Command) error {
	for _, name := range stackOnly {
		if cmd.Flags().Changed(name) {
			return usage(fn.WithHint(fn.Errorf(fn.Invalid, "--%s is for a stack file, and there is none here", name), "name it with -f"))
		}
	}
	return nil
}

// project is a stack file and where its paths begin.
type project struct {
	name string // of the file, as the user knows it
	dir  string // absolute
	web  bool   // the file comes from the web
	*stack.File
}

// stackProject reads the stack file that s means; nil if it means a rouse.yaml
// or a folder.
func (c *cli) stackProject(ctx context.Context, s selection) (*project, error) {
	name, text, err := c.stackText(ctx, s)
	if err != nil || text == nil {
		return nil, err
	}
	p := &project{name: name, web: fetch.IsURL(name)}
	var unset []string
	if s.stack.envsubst {
		if text, unset, err = stack.Substitute(text, c.env); err != nil {
			return nil, fn.WithHint(err, "mend %s, or read it as it is with --envsubst=false", name)
		}
	}
	if p.File, err = stack.Parse(text); err != nil {
		return nil, fn.WithHint(err, "mend %s and try again", name)
	}
	for _, w := range p.Warnings {
		c.note("%s %s: %s", c.errLook.warn.Render("note:"), name, w)
	}
	if len(unset) > 0 {
		c.note("%s %s: not set, so nothing was put in: %s", c.errLook.warn.Render("note:"), name, strings.Join(unset, ", "))
	}
	p.dir = c.projectFolder(name, p)
	return p, nil
}

// stackText finds the text of the stack file; nil if there is none.
func (c *cli) stackText(ctx context.Context, s selection) (name string, text []byte, err error) {
	if s.image != "" {
		return "", nil, nil
	}
	if fetch.IsURL(s.file) {
		text, err = fetch.Text(ctx, s.file, "rouse/"+c.Version)
		return s.file, text, err
	}
	if s.file != "" {
		text, err = c.readManifest(s.file)
		if err != nil || !stack.Is(text) && !slices.Contains(stack.FileNames, filepath.Base(s.file)) {
			return "", nil, nil // what is wrong with it is found when it is read as a rouse.yaml
		}
		return s.file, text, nil
	}
	for _, base := range append([]string{manifest.FileName}, stack.FileNames...) {
		name = filepath.Join(s.dir, base)
		if _, err := os.Stat(c.path(name)); err != nil {
			continue
		}
		if base == manifest.FileName {
			return "", nil, nil
		}
		text, err = c.readManifest(name)
		return name, text, err
	}
	return "", nil, nil
}

// projectFolder is where the file's paths begin: the working folder, as
// faas-cli has it, if all functions are found there, else the file's own.
func (c *cli) projectFolder(name string, p *project) string {
	if p.web {
		return c.Dir
	}
	own := filepath.Dir(c.path(name))
	for _, f := range p.Functions {
		if f.Built() {
			if _, err := os.Stat(filepath.Join(c.Dir, filepath.FromSlash(f.Handler))); err != nil {
				return own
			}
		}
	}
	return c.Dir
}

// selected returns the functions the flags and arguments mean.
func (p *project) selected(s selection) ([]stack.Function, error) {
	functions, err := s.stack.filter.Select(p.Functions)
	if err != nil {
		return nil, usage(err)
	}
	if len(s.only) == 0 {
		return functions, nil
	}
	var out []stack.Function
	for _, name := range s.only {
		i := slices.IndexFunc(functions, func(f stack.Function) bool { return f.Name == name })
		if i < 0 {
			return nil, usage(fn.Errorf(fn.NotFound, "the stack file has no function %s that is wanted", name))
		}
		out = append(out, functions[i])
	}
	return out, nil
}

// templates makes sure that the project has the templates its functions are
// made from, and fetches those the file says where to get.
func (c *cli) templates(ctx context.Context, s selection, p *project, functions []stack.Function) error {
	have, err := fetch.List(p.dir)
	if err != nil {
		return err
	}
	wrong := make([]error, len(functions))
	for i, f := range functions {
		if !f.Built() || f.Lang == stack.Dockerfile || slices.Contains(have, f.Lang) {
			continue
		}
		wrong[i] = c.fetchTemplate(ctx, s, p, f.Lang)
		have = append(have, f.Lang) // tried, for better or worse
	}
	return together(functions, wrong)
}

func (c *cli) fetchTemplate(ctx context.Context, s selection, p *project, lang string) error {
	i := slices.IndexFunc(p.Templates, func(t stack.Template) bool { return t.Name == lang })
	if i < 0 || !s.stack.stackPull {
		return fn.WithHint(fn.Errorf(fn.NotFound, "the project has no template %s", lang),
			"fetch it with rouse template pull URL, or rouse template store pull %s", lang)
	}
	address := p.Templates[i].Source
	if address == "" {
		entry, err := c.storeEntry(ctx, "", lang)
		if err != nil {
			return err
		}
		address = entry.Repo
	}
	return c.pullTemplates(ctx, address, fetch.Pull{Project: p.dir, Only: []string{lang}})
}

// environment joins a function's variables with its environment files.
func (p *project) environment(f stack.Function) (map[string]string, error) {
	out := map[string]string{}
	maps.Copy(out, f.Environment)
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, fileError(p.dir, err)
	}
	defer root.Close()
	for _, name := range f.EnvironmentFiles {
		vars, err := environmentFile(root, name)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, vars)
	}
	return out, nil
}

func environmentFile(root *os.Root, name string) (map[string]string, error) {
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fn.Errorf(fn.NotFound, "there is no environment file %s in the project", name)
	}
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "opening the environment file %s: %w", name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, stack.MaxBytes+1))
	if err != nil {
		return nil, fileError(name, err)
	}
	vars, err := stack.ParseEnvironment(text)
	return vars, fn.WithHint(err, "mend %s", name)
}
