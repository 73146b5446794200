package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/cli/fetch"
	"rouse.dev/rouse/internal/cli/shrinkwrap"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/stack"
)

// contextRuntime is the runtime that build contexts of OpenFaaS are built by.
const contextRuntime = "openfaas"

// maxParallel is how many functions are deployed at once at most.
const maxParallel = 64

// stackTarget is one function of a stack file to deploy.
type stackTarget struct {
	target
	context *shrinkwrap.Context // nil: deployed by its image
	args    map[string]string   // build arguments
}

// deployStack deploys the functions of a stack file.
func (c *cli) deployStack(ctx context.Context, s selection, p *project) error {
	functions, err := p.selected(s)
	if err != nil {
		return err
	}
	if err := s.checkStack(functions); err != nil {
		return err
	}
	if err := c.templates(ctx, s, p, functions); err != nil {
		return err
	}
	var targets []stackTarget
	var wrong []error
	for _, f := range functions {
		t, err := c.stackTarget(s, p, f)
		targets, wrong = append(targets, t), append(wrong, err)
	}
	if err := together(functions, wrong); err != nil {
		return fn.WithHint(err, "mend %s and try again", p.name)
	}
	if s.stack.shrinkwrap {
		return c.shrinkwrapAll(p, targets)
	}
	c.chooseServer(p)
	cl, err := c.connect()
	if err != nil {
		return err
	}
	defer cl.Close()
	run := &stackRun{cli: c, client: cl, project: p.dir, progress: c.newProgress(0), stop: make(chan struct{})}
	defer run.progress.Close()
	done, err := run.all(ctx, targets, s.stack.parallel)
	run.progress.End()
	if err != nil {
		return err
	}
	return c.deployed(done)
}

// together joins what is wrong with functions, each mistake with its place in
// the file. A single error of another kind stays as it is; of several a list
// is made, as all but the mistakes would be left out of it.
func together(functions []stack.Function, errs []error) error {
	var all fn.Mistakes
	var others []error
	for i, err := range errs {
		at := fmt.Sprintf("line %d: functions.%s", functions[i].Line, functions[i].Name)
		list := fn.MistakesOf(err)
		for _, m := range list {
			all.Add(at, "%s: %s", m.Field, m.Reason)
		}
		if err != nil && len(list) == 0 {
			all.Add(at, "%v", err)
			others = append(others, err)
		}
	}
	if len(all) == 1 && len(others) == 1 {
		return others[0]
	}
	return all.Err()
}

// checkStack finds flags that cannot mean these functions.
func (s *selection) checkStack(functions []stack.Function) error {
	switch {
	case s.runtime != "":
		return usage(fn.Errorf(fn.Invalid, "--runtime is not for stack files: a function there has a template"))
	case s.name != "" && len(functions) != 1:
		return usage(fn.Errorf(fn.Invalid, "--name is for one function, these are %d", len(functions)))
	case s.stack.parallel < 1 || s.stack.parallel > maxParallel:
		return usage(fn.Errorf(fn.Invalid, "--parallel must be from 1 to %d, got %d", maxParallel, s.stack.parallel))
	}
	_, err := nameValues("--build-arg", s.stack.buildArgs)
	_, _, err2 := s.marks()
	return errors.Join(err, err2)
}

// chooseServer takes provider.gateway unless the user says where the server
// is. A file from the web has no say: the password would go where it points.
func (c *cli) chooseServer(p *project) {
	switch {
	case c.url != "" || c.env(envURL) != "" || p.Gateway == "":
	case p.web:
		c.note("%s provider.gateway of %s is not used, as the file comes from the web; --url says where the server is", c.errLook.warn.Render("note:"), p.name)
	default:
		c.gateway = p.Gateway
		more := ""
		if !local(c.gateway) {
			more = "; no password is sent where a file points: confirm it with --url"
		}
		c.note("server %s, as %s says%s", c.gateway, p.name, more)
	}
}

// stackTarget says how one function is made.
func (c *cli) stackTarget(s selection, p *project, f stack.Function) (stackTarget, error) {
	t := stackTarget{target: target{source: f.Image}}
	if f.Built() {
		var err error
		if t.context, t.args, err = s.buildContext(p, &f); err != nil {
			return t, err
		}
		t.source = f.Handler
		if packages := t.args[stack.AdditionalPackage]; packages != "" {
			c.note("%s %s: no build line of a Dockerfile is run here, so that these are to be on the server's machine: %s", c.errLook.warn.Render("note:"), f.Name, packages)
		}
	}
	env, err := p.environment(f)
	if err != nil {
		return t, err
	}
	maps.Copy(env, s.env)
	labels, annotations, err := s.marks()
	if err != nil {
		return t, err
	}
	f.Environment, f.Labels, f.Annotations = env, join(f.Labels, labels), join(f.Annotations, annotations)
	if t.ref, err = s.stackRef(f); err != nil {
		return t, err
	}
	var notes []string
	if t.req, notes, err = translate(f); err != nil {
		return t, err
	}
	for _, n := range notes {
		c.note("%s %s: %s", c.errLook.warn.Render("note:"), f.Name, n)
	}
	return t, nil
}

// stackRef names the function as the flags or the file say.
func (s *selection) stackRef(f stack.Function) (client.Ref, error) {
	ref := client.Ref{Name: f.Name, Namespace: deployment.NamespaceIn(f.Namespace)}
	if s.name != "" {
		ref.Name = s.name
	}
	if s.namespace != "" {
		ref.Namespace = deployment.NamespaceIn(s.namespace)
	}
	return ref, fn.ValidateRef(fn.Ref(ref))
}

// buildContext says what the function is built from, and takes fprocess from
// the template where the function has none.
func (s *selection) buildContext(p *project, f *stack.Function) (*shrinkwrap.Context, map[string]string, error) {
	args, err := nameValues("--build-arg", s.stack.buildArgs)
	if err != nil {
		return nil, nil, err
	}
	ctx := &shrinkwrap.Context{Handler: f.Handler, Extra: append(slices.Clone(p.Copy), s.stack.copyExtra...)}
	options := append(slices.Clone(f.BuildOptions), s.stack.buildOptions...)
	lang := &stack.Language{}
	if f.Lang != stack.Dockerfile {
		if lang, err = fetch.Language(p.dir, f.Lang); err != nil {
			return nil, nil, err
		}
		ctx.Template, ctx.HandlerFolder = path.Join(fetch.Folder, f.Lang), lang.HandlerFolder
	}
	packages, err := lang.Packages(options)
	if err != nil {
		return nil, nil, err
	}
	if f.FProcess == "" && s.stack.readTemplate {
		f.FProcess = lang.FProcess
	}
	return ctx, stack.Arguments(packages, f.BuildArgs, args), nil
}

// shrinkwrapAll leaves the build contexts in the project's folder build.
func (c *cli) shrinkwrapAll(p *project, targets []stackTarget) error {
	for _, t := range targets {
		if t.context == nil {
			c.note("%s is not built: it is deployed by its image", t.ref.Name)
			continue
		}
		dest, err := shrinkwrap.Clear(p.dir, t.ref.Name)
		if err != nil {
			return err
		}
		files, err := shrinkwrap.Make(p.dir, *t.context, dest)
		if err = errors.Join(err, dest.Close()); err != nil {
			return err
		}
		if err := c.say(fmt.Sprintf("%s is in %s, %s\n", t.ref.Name, path.Join("build", t.ref.Name), count(files, "file"))); err != nil {
			return err
		}
	}
	return nil
}

// nameValues reads flags of the form NAME=VALUE.
func nameValues(flag string, list []string) (map[string]string, error) {
	out := map[string]string{}
	var wrong fn.Mistakes
	for _, kv := range list {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			wrong.Add(flag+" "+kv, "is not NAME=VALUE")
		}
		out[name] = value
	}
	if err := wrong.Err(); err != nil {
		return nil, usage(err)
	}
	return out, nil
}

// marks are the labels and annotations of the flags.
func (s *selection) marks() (labels, annotations map[string]string, err error) {
	labels, err = nameValues("--label", s.labels)
	annotations, err2 := nameValues("--annotation", s.annotations)
	return labels, annotations, errors.Join(err, err2)
}

// join returns both maps in one, the second winning; nil if both are empty.
func join(a, b map[string]string) map[string]string {
	if len(a)+len(b) == 0 {
		return nil
	}
	out := make(map[string]string, len(a)+len(b))
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}
