package nativetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// SetImage implements native.Images.
func (f *Fake) SetImage(ctx context.Context, req control.ImageRequest) (fn.Image, error) {
	ref, err := fn.ParseImage(req.Reference)
	if err != nil {
		return fn.Image{}, err
	}
	img := fn.Image{Reference: req.Reference, Tree: req.Source, Spec: req.Spec, Created: Epoch}
	if req.Source == "" {
		revs, err := f.Revisions(ctx, req.Revision.Ref)
		if err != nil {
			return fn.Image{}, err
		}
		at := slices.IndexFunc(revs, func(r control.RevisionView) bool { return req.Revision.Number == 0 || r.Number == req.Revision.Number })
		if at < 0 {
			return fn.Image{}, fn.Errorf(fn.NotFound, "%s has no revision %d", req.Revision.Ref, req.Revision.Number)
		}
		img.Artifact, img.Spec = &revs[at].Artifact, revs[at].Spec
		img.Spec.Image, img.Spec.Secrets = "", nil
		img.From = fmt.Sprintf("%s:%d", req.Revision.Ref, revs[at].Number)
	} else if has, _ := f.HasSource(ctx, req.Source); !has {
		return fn.Image{}, fn.WithHint(fn.Errorf(fn.NotFound, "no source %s is here", req.Source), "upload it first")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.images[ref.String()] = img
	return img, nil
}

// Images implements native.Images.
func (f *Fake) Images(context.Context) ([]fn.Image, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []fn.Image
	for _, name := range slices.Sorted(maps.Keys(f.images)) {
		out = append(out, f.images[name])
	}
	return out, nil
}

// RemoveImage implements native.Images.
func (f *Fake) RemoveImage(_ context.Context, reference string) error {
	ref, err := fn.ParseImage(reference)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.images[ref.String()]; !ok {
		return fn.WithHint(fn.Errorf(fn.NotFound, "%s stands for nothing here", reference), "rouse image list shows what does")
	}
	delete(f.images, ref.String())
	return nil
}

// expand fills in what a reference stands for: an alias, or a function of the
// store.
func (f *Fake) expand(d control.Deploy) (control.Deploy, error) {
	ref, err := fn.ParseImage(d.Image)
	if err != nil {
		return d, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	img, ok := f.images[ref.String()]
	if !ok && strings.HasPrefix(ref.Name(), "rouse.dev/store/") {
		img, ok = fn.Image{Tree: digestOf(ref.Name()), Spec: fn.Spec{Runtime: "python"}}, true
	}
	if !ok {
		return d, fn.WithHint(fn.Mistake{Field: "image", Reason: "nothing on this server stands for " + d.Image},
			"make it stand for a folder or a function: rouse image alias %s BUNDLE", d.Image)
	}
	env := d.Spec.Env
	d.Spec, d.Source = img.Spec, img.Tree
	if img.Artifact != nil {
		d.Artifact = img.Artifact.Digest
	}
	d.Spec.Env = maps.Clone(d.Spec.Env)
	if d.Spec.Env == nil && env != nil {
		d.Spec.Env = map[string]string{}
	}
	maps.Copy(d.Spec.Env, env)
	d.Spec.Image = d.Image
	f.sources[d.Source] = true
	return d, nil
}
