package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
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

// ImageRequest makes a reference stand for a bundle: an accepted source, or
// what a revision runs.
type ImageRequest struct {
	Reference string
	Source    string         // digest of an accepted source
	Spec      fn.Spec        // with Source: how it is built and run; a zero field means the server's default
	Revision  fn.RevisionRef // without Source; Number 0: the one with the most traffic
	BuildOnly bool           // for BuildImage: the reference keeps what it stands for
}

// SetImage makes a reference stand for a bundle, in the place of what it stood
// for. Functions deployed by it before stay as they are. fn.NotFound if the
// source or revision is not there.
func (c *Controller) SetImage(ctx context.Context, req ImageRequest) (fn.Image, error) {
	key, err := c.checkImage(req)
	if err != nil {
		return fn.Image{}, err
	}
	if err := c.gate.enter(ctx); err != nil {
		return fn.Image{}, err
	}
	defer c.gate.leave()
	img := fn.Image{Reference: req.Reference, Spec: req.Spec, Created: time.Now().UTC()}
	if req.Source != "" {
		img.Tree, err = c.keepTree(ctx, req.Source)
	} else {
		err = c.imageOf(ctx, req.Revision, &img)
	}
	if err != nil {
		return fn.Image{}, err
	}
	value, err := encode(img)
	if err != nil {
		return fn.Image{}, err
	}
	_, err = c.cfg.Store.Apply(ctx, store.Change{Key: key, Value: value, IfVersion: store.AnyVersion})
	return img, err
}

// checkImage finds every mistake that can be known at once.
func (c *Controller) checkImage(req ImageRequest) (store.Key, error) {
	ref, err := fn.ParseImage(req.Reference)
	errs := []error{err}
	if req.Source == "" {
		if req.Revision.Number < 0 {
			errs = append(errs, fn.Mistake{Field: "revision", Reason: "must not be negative"})
		}
		return imageKey(ref), errors.Join(append(errs, fn.ValidateRef(req.Revision.Ref))...)
	}
	if req.Revision != (fn.RevisionRef{}) {
		errs = append(errs, fn.Mistake{Field: "source", Reason: "give a source or a function, not both"})
	}
	errs = append(errs, c.validateBundle(req.Spec))
	if fn.ValidName(req.Spec.Runtime) {
		_, err := c.cfg.Runtimes.Get(req.Spec.Runtime)
		errs = append(errs, err)
	}
	return imageKey(ref), errors.Join(errs...)
}

// validateBundle checks a spec that deploys begin with.
func (c *Controller) validateBundle(spec fn.Spec) error {
	spec.Policy = spec.WithDefaults(c.cfg.Defaults)
	return fn.ValidateSpec(spec)
}

// imageOf makes an image of what a revision runs.
func (c *Controller) imageOf(ctx context.Context, rev fn.RevisionRef, img *fn.Image) error {
	f, _, err := c.get(ctx, rev.Ref)
	if err != nil {
		return err
	}
	if rev.Number == 0 {
		rev.Number = busiest(f)
	}
	r, err := c.revision(ctx, rev)
	if err != nil {
		return err
	}
	img.Artifact, img.Spec = &r.Artifact, r.Spec
	img.Spec.Secrets, img.Spec.Image = nil, "" // of its namespace, and of its own deploy
	img.From = fmt.Sprintf("%s:%d", r.Ref, r.Number)
	return nil
}

// busiest is the revision with the most traffic; 0 if none has any.
func busiest(f fn.Function) int {
	number, most := 0, 0
	for _, t := range f.Traffic {
		if t.Weight > most {
			number, most = t.Revision, t.Weight
		}
	}
	return number
}

// Images lists the references this server was told of, in their order.
func (c *Controller) Images(ctx context.Context) ([]fn.Image, error) {
	objects, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindImages})
	if err != nil {
		return nil, err
	}
	out := make([]fn.Image, 0, len(objects))
	for _, o := range objects {
		img, err := decode[fn.Image](o)
		if err != nil {
			return nil, err
		}
		out = append(out, img)
	}
	return out, nil
}

// RemoveImage forgets a reference; fn.NotFound if it stands for nothing here.
// Functions deployed by it stay as they are.
func (c *Controller) RemoveImage(ctx context.Context, reference string) error {
	ref, err := fn.ParseImage(reference)
	if err != nil {
		return err
	}
	o, err := c.cfg.Store.Get(ctx, imageKey(ref))
	if fn.KindOf(err) == fn.NotFound {
		return fn.WithHint(fn.Errorf(fn.NotFound, "%s stands for nothing here", reference), "rouse image list shows what does")
	}
	if err != nil {
		return err
	}
	_, err = c.cfg.Store.Apply(ctx, store.Change{Key: o.Key, IfVersion: o.Version})
	return err
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
		"rouse image alias %.200s BUNDLE says what does: a folder, or a function that is deployed", reference)
}

// expand makes a deploy by reference one of a bundle: what the bundle says
// holds where the deploy says nothing.
func (c *Controller) expand(ctx context.Context, d Deploy) (Deploy, error) {
	b, err := c.resolve(ctx, d.Image)
	if err != nil {
		return d, errors.Join(err, fn.ValidateRef(d.Ref), fn.ValidateLabels("labels", d.Labels), fn.ValidateLabels("annotations", d.Annotations))
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
