package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/cli/fetch"
	"rouse.dev/rouse/internal/cli/pack"
	"rouse.dev/rouse/internal/cli/shrinkwrap"
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
	if err := errors.Join(wrong...); err != nil {
		return err
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
	done, err := c.deployTargets(ctx, cl, p, s.stack.parallel, targets)
	if err != nil {
		return err
	}
	return c.deployed(done)
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
	return nil
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
		c.note("server %s, as %s says", c.gateway, p.name)
	}
}

// stackTarget says how one function is made.
func (c *cli) stackTarget(s selection, p *project, f stack.Function) (stackTarget, error) {
	t := stackTarget{target: target{source: f.Image}}
	if f.Built() {
		var err error
		if t.context, t.args, err = s.buildContext(p, &f); err != nil {
			return t, fn.WithHint(err, "see function %s at line %d of %s", f.Name, f.Line, p.name)
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
	if t.req, notes, err = translate(t.ref, f); err != nil {
		return t, fn.WithHint(err, "mend function %s at line %d of %s", f.Name, f.Line, p.name)
	}
	for _, n := range notes {
		c.note("%s %s: %s", c.errLook.warn.Render("note:"), f.Name, n)
	}
	return t, nil
}

// stackRef names the function as the flags or the file say.
func (s *selection) stackRef(f stack.Function) (client.Ref, error) {
	ref := client.Ref{Name: f.Name, Namespace: namespaceOf(f.Namespace)}
	if s.name != "" {
		ref.Name = s.name
	}
	if s.namespace != "" {
		ref.Namespace = namespaceOf(s.namespace)
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

// deployTargets deploys so many at once. After one has failed no other is
// begun; those under way end as they would.
func (c *cli) deployTargets(ctx context.Context, cl *client.Client, p *project, parallel int, targets []stackTarget) ([]api.Function, error) {
	prog := c.newProgress(0)
	defer prog.Close()
	done, errs := make([]api.Function, len(targets)), make([]error, len(targets))
	next := make(chan int)
	var failed sync.Once
	stop := make(chan struct{})
	var crew sync.WaitGroup
	parallel = min(parallel, len(targets))
	if parallel > 1 {
		prog.Begin("deploying " + count(len(targets), "function"))
	}
	for range parallel {
		crew.Go(func() {
			for i := range next {
				v := &deployView{progress: prog}
				if parallel > 1 {
					v.name = targets[i].ref.Name
				}
				if done[i], errs[i] = c.deployContext(ctx, cl, v, p, targets[i]); errs[i] != nil {
					failed.Do(func() { close(stop) })
				}
			}
		})
	}
feed:
	for i := range targets {
		select {
		case <-stop:
			break feed
		default:
		}
		select {
		case next <- i:
		case <-stop:
			break feed
		}
	}
	close(next)
	crew.Wait()
	prog.End()
	return c.sift(done, errs)
}

// sift returns what was deployed. Of several errors the first is the answer,
// the others are told before.
func (c *cli) sift(done []api.Function, errs []error) ([]api.Function, error) {
	var out []api.Function
	var first error
	for i, err := range errs {
		switch {
		case err == nil && done[i].Name != "":
			out = append(out, done[i])
		case err != nil && first == nil:
			first = err
		case err != nil:
			printError(c.Err, c.errLook, meaning(err), nil)
		}
	}
	if first != nil && len(out) > 0 {
		var names []string
		for _, f := range out {
			names = append(names, f.Name)
		}
		c.note("deployed before: %s", strings.Join(names, ", "))
	}
	return out, first
}

// deployContext makes the build context of one function and deploys it.
func (c *cli) deployContext(ctx context.Context, cl *client.Client, v *deployView, p *project, t stackTarget) (api.Function, error) {
	if t.context == nil {
		v.headline(t.name(), "image "+t.source)
		f, err := cl.Deploy(ctx, t.ref, t.req, v.event)
		return f, untold(err, &v.shown)
	}
	dir, err := os.MkdirTemp("", "rouse-context-")
	if err != nil {
		return api.Function{}, fmt.Errorf("making a folder for the build context: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := t.write(p.dir, dir); err != nil {
		return api.Function{}, err
	}
	t.dir = dir
	f, err := c.deployFolder(ctx, cl, v, &t.target, pack.Context)
	if err == nil && t.req.Spec.Image != "" {
		c.nameImage(ctx, cl, v, t)
	}
	return f, err
}

// nameImage lets the image's name stand for what was built, as if it had been
// pushed: faas-cli can deploy the same stack file then. The function is there
// already, so that it is no error if that may not be.
func (c *cli) nameImage(ctx context.Context, cl *client.Client, v *deployView, t stackTarget) {
	req := api.ImageRequest{Reference: t.req.Spec.Image, Source: t.req.Source, Spec: api.Spec{Runtime: contextRuntime}}
	if _, err := cl.SetImage(ctx, req); err != nil {
		v.remark(fmt.Sprintf("the server does not know it as %s: %v", req.Reference, err))
		return
	}
	v.step("image", req.Reference)
}

// write lays the context out in dir and puts the build arguments in.
func (t *stackTarget) write(project, dir string) error {
	dest, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("opening the build context: %w", err)
	}
	defer dest.Close()
	if _, err := shrinkwrap.Make(project, *t.context, dest); err != nil {
		return fmt.Errorf("making the build context of %s: %w", t.ref.Name, err)
	}
	return shrinkwrap.Arguments(dest, t.args)
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
