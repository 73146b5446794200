package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"rouse.dev/rouse/internal/fn"
)

// Bundle is what a reference stands for. Exactly one of Artifact, Tree and
// Files is set.
type Bundle struct {
	Spec     fn.Spec      // what deploys begin with; a zero field means the server's default
	Artifact *fn.Artifact // built already
	Tree     string       // digest of a source kept among the artifacts
	Files    fs.FS        // a source
}

// Resolver knows references besides those this server was told of.
type Resolver interface {
	// Resolve returns what a reference stands for; fn.NotFound if that is
	// not the resolver's to say, so that the next one is asked.
	Resolve(ctx context.Context, ref fn.ImageRef) (Bundle, error)
}

// resolve finds the bundle a deploy names: first what this server was told,
// then what each resolver knows.
func (c *Controller) resolve(ctx context.Context, reference string) (Bundle, error) {
	ref, err := fn.ParseImage(reference)
	if err != nil {
		return Bundle{}, err
	}
	o, err := c.cfg.Store.Get(ctx, imageKey(ref))
	if err == nil {
		img, err := decode[fn.Image](o)
		return Bundle{Spec: img.Spec, Artifact: img.Artifact, Tree: img.Tree}, err
	}
	for _, r := range c.cfg.Images {
		if fn.KindOf(err) != fn.NotFound {
			return Bundle{}, err
		}
		var b Bundle
		if b, err = r.Resolve(ctx, ref); err == nil {
			return b, nil
		}
	}
	if fn.KindOf(err) != fn.NotFound {
		return Bundle{}, err
	}
	return Bundle{}, fn.WithHint(fn.Mistake{Field: "image", Reason: fmt.Sprintf("nothing on this server stands for %.200s", reference)},
		"make it stand for a folder or a function: rouse image alias %.200s BUNDLE", reference)
}

// expand makes a deploy by reference one of a bundle: what the bundle says
// holds where the deploy says nothing.
func (c *Controller) expand(ctx context.Context, d Deploy) (Deploy, error) {
	b, err := c.resolve(ctx, d.Image)
	if err != nil {
		return d, errors.Join(err, fn.ValidateRef(d.Ref), fn.ValidateLabels("labels", d.Labels), fn.ValidateLabels("annotations", d.Annotations), ValidateTriggers(d.Annotations))
	}
	d.bundle = b
	d.Spec = over(b.Spec, d.Spec)
	d.Spec.Policy = d.Spec.WithDefaults(b.Spec.WithDefaults(c.cfg.Defaults))
	d.Spec.Image = d.Image
	return d, nil
}

// over lays what top says over base, but for the policy.
func over(base, top fn.Spec) fn.Spec {
	if top.Runtime == "" {
		top.Runtime = base.Runtime
	}
	if top.Handler == "" {
		top.Handler = base.Handler
	}
	if len(top.Command) == 0 {
		top.Command = base.Command
	}
	if top.Mode == "" {
		top.Mode = base.Mode
	}
	if len(top.Secrets) == 0 {
		top.Secrets = base.Secrets
	}
	env := maps.Clone(base.Env)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, top.Env)
	if top.Env = env; len(env) == 0 {
		top.Env = nil
	}
	return top
}
