package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

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
