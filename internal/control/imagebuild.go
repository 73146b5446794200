package control

import (
	"context"
	"errors"
	"path"
	"strings"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/fn"
)

// BuildImage is SetImage of a source that is built first, in the default
// namespace: what cannot be built changes nothing. A deploy there finds what
// was built.
func (c *Controller) BuildImage(ctx context.Context, req ImageRequest, emit func(Event)) (fn.Image, error) {
	if req.Source == "" {
		return fn.Image{}, fn.Mistake{Field: "source", Reason: "is missing: there is nothing to build"}
	}
	if _, err := c.checkImage(req); err != nil {
		return fn.Image{}, err
	}
	if err := c.gate.enter(ctx); err != nil {
		return fn.Image{}, err
	}
	defer c.gate.leave()
	if err := c.tryBuild(ctx, req, emit); err != nil {
		return fn.Image{}, err
	}
	if req.BuildOnly {
		return fn.Image{Reference: req.Reference, Spec: req.Spec}, nil
	}
	return c.SetImage(ctx, req)
}

func (c *Controller) tryBuild(ctx context.Context, req ImageRequest, emit func(Event)) (err error) {
	src, err := c.cfg.Sources.Open(ctx, req.Source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	spec := req.Spec
	spec.Policy = spec.WithDefaults(c.cfg.Defaults)
	_, err = c.build(ctx, build.Request{Ref: buildName(req.Reference), Spec: spec, Source: src.Dir, SourceDigest: src.Digest}, emit)
	return err
}

// buildName is the function in whose name an image is built: the last part of
// its reference, as faas-cli names images after functions.
func buildName(reference string) fn.Ref {
	ref, _ := fn.ParseImage(reference) // checked before
	name := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(path.Base(ref.Repository)))
	if name = strings.Trim(name[:min(len(name), fn.MaxName)], "-"); name == "" {
		name = "image"
	}
	return fn.Ref{Namespace: fn.DefaultNamespace, Name: name}
}
