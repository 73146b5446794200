package cli

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/cli/pack"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest"
)

// selection says what is to be deployed.
type selection struct {
	file      string            // manifest
	dir       string            // or folder, with a manifest in it or not
	only      []string          // names in the manifest; empty: all
	namespace string            // "": the manifest's, else default
	name      string            // of a single function
	runtime   string            // of a single function
	image     string            // reference that is deployed in the place of a folder
	env       map[string]string // added to the manifest's

	labels, annotations []string // NAME=VALUE, added to the manifest's
	stack               stackFlags
}

// flags adds those a single function may be changed by.
func (s *selection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&s.file, "file", "f", "", "manifest of one or more functions; arguments then name those wanted")
	f.StringVar(&s.name, "name", "", "name of the function, instead of the manifest's or the folder's")
	f.StringVar(&s.runtime, "runtime", "", "runtime, instead of the manifest's or the one found")
	f.StringToStringVarP(&s.env, "env", "e", nil, "variables added to the manifest's: A=b,C=d")
}

// deployFlags adds those of deploy alone.
func (s *selection) deployFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.labels, "label", nil, "label added to the manifest's: NAME=VALUE")
	f.StringArrayVar(&s.annotations, "annotation", nil, "annotation added to the manifest's: NAME=VALUE")
	s.stack.add(cmd)
}

// target is one function to deploy.
type target struct {
	ref    client.Ref
	dir    string // with its source, absolute
	source string // the same as the user knows it
	req    api.DeployRequest
	pack   func(dir string) (*pack.Archive, error)
}

// name is how the function is called.
func (t target) name() string { return full(t.ref) }

// targets reads the manifest and applies the flags.
func (c *cli) targets(s selection) ([]target, error) {
	if s.image != "" {
		t, err := s.imageTarget()
		return []target{t}, err
	}
	functions, base, err := c.read(s)
	if err != nil {
		return nil, err
	}
	functions, err = pick(functions, s.only)
	if err != nil {
		return nil, err
	}
	if len(functions) > 1 && (s.name != "" || s.runtime != "") {
		return nil, usage(fn.Errorf(fn.Invalid, "--name and --runtime are for one function, this manifest has %d", len(functions)))
	}
	out := make([]target, 0, len(functions))
	for _, f := range functions {
		t, err := c.target(s, base, f)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (c *cli) target(s selection, base string, f manifest.Function) (target, error) {
	spec := f.Spec
	if s.runtime != "" {
		spec.Runtime = s.runtime
	}
	if len(s.env) > 0 {
		spec.Env = maps.Clone(spec.Env)
		if spec.Env == nil {
			spec.Env = map[string]string{}
		}
		maps.Copy(spec.Env, s.env)
	}
	ref := client.Ref{Name: f.Name, Namespace: f.Namespace}
	if s.name != "" {
		ref.Name = s.name
	}
	if s.namespace != "" {
		ref.Namespace = s.namespace
	}
	if ref.Namespace == "" {
		ref.Namespace = fn.DefaultNamespace
	}
	labels, annotations, err := s.marks()
	if err != nil {
		return target{}, err
	}
	labels, annotations = join(f.Labels, labels), join(f.Annotations, annotations)
	judged := spec
	judged.Policy = judged.Policy.WithDefaults(fn.Default())
	if err := errors.Join(fn.ValidateRef(fn.Ref(ref)), fn.ValidateSpec(judged)); err != nil {
		return target{}, err
	}
	source := filepath.Join(base, filepath.FromSlash(f.Source))
	return target{
		ref: ref, dir: c.path(source), source: source, pack: pack.Folder,
		req: api.DeployRequest{Spec: wireSpec(spec), Labels: labels, Annotations: annotations},
	}, nil
}

// read returns the functions of the manifest and the folder it lies in. A
// folder without a manifest is one function, named like it.
func (c *cli) read(s selection) ([]manifest.Function, string, error) {
	path, base := s.file, filepath.Dir(s.file)
	if s.file == "" {
		path, base = filepath.Join(s.dir, manifest.FileName), s.dir
	}
	text, err := c.readManifest(path)
	if s.file == "" && fn.KindOf(err) == fn.NotFound {
		f, err := c.guess(s)
		return []manifest.Function{f}, base, err
	}
	if err != nil {
		return nil, "", err
	}
	functions, err := manifest.Parse(text)
	if err != nil {
		return nil, "", fn.WithHint(err, "mend %s and try again", path)
	}
	return functions, base, nil
}

func (c *cli) readManifest(path string) ([]byte, error) {
	f, err := c.open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, manifest.MaxBytes+1))
	if err != nil {
		return nil, fileError(path, err)
	}
	return text, nil
}

// guess makes a function of a folder that does not say what it is.
func (c *cli) guess(s selection) (manifest.Function, error) {
	dir := c.path(s.dir)
	if info, err := os.Stat(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return manifest.Function{}, fn.WithHint(fn.Errorf(fn.NotFound, "there is no folder %s", s.dir),
				"name the folder of a function, or make one with: rouse new %s --lang python", filepath.Base(dir))
		}
		return manifest.Function{}, fileError(s.dir, err)
	} else if !info.IsDir() {
		return manifest.Function{}, fn.WithHint(fn.Errorf(fn.Invalid, "%s is not a folder", s.dir),
			"name the folder of a function, or a manifest with -f")
	}
	f := manifest.Function{Source: ".", Ref: fn.Ref{Name: filepath.Base(dir)}}
	if s.runtime != "" {
		f.Spec.Runtime = s.runtime
		return f, nil
	}
	var err error
	if f.Spec.Runtime, err = detect(dir); err != nil {
		return f, fn.WithHint(err, "say --runtime, or write a %s; rouse new shows how one looks", manifest.FileName)
	}
	return f, nil
}

// pick returns the functions with these names, all if there are none.
func pick(functions []manifest.Function, names []string) ([]manifest.Function, error) {
	if len(names) == 0 {
		return functions, nil
	}
	var out []manifest.Function
	for _, name := range names {
		i := slices.IndexFunc(functions, func(f manifest.Function) bool { return f.Name == name })
		if i < 0 {
			var known []string
			for _, f := range functions {
				known = append(known, f.Name)
			}
			return nil, usage(fn.WithHint(fn.Errorf(fn.NotFound, "the manifest has no function %s", name), "it has %s", strings.Join(known, ", ")))
		}
		out = append(out, functions[i])
	}
	return out, nil
}
