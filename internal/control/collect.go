package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

const (
	collectFirst = time.Minute // after the start, which has better things to do
	collectEvery = time.Hour
	sourceAge    = 7 * 24 * time.Hour // unused sources older than this go
)

// Run removes what nobody needs any more, now and then, until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	t := time.NewTimer(collectFirst)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := c.Collect(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("removing unused files", "error", err)
		}
		t.Reset(collectEvery)
	}
}

// Collect removes artifacts that no revision names and sources nobody has
// used for long. It does nothing to artifacts while a change is under way.
func (c *Controller) Collect(ctx context.Context, now time.Time) error {
	err := c.cfg.Sources.Collect(now.Add(-sourceAge))
	if !c.gate.tryAlone() {
		return err
	}
	defer c.gate.leave()
	used, errUsed := c.usedArtifacts(ctx)
	if errUsed != nil {
		return errors.Join(err, errUsed)
	}
	return errors.Join(err, c.cfg.CollectArtifacts(func() error { return c.removeUnused(used) }))
}

// usedArtifacts returns the folders of all artifacts that revisions or images
// name.
func (c *Controller) usedArtifacts(ctx context.Context) (map[string]bool, error) {
	objects, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindRevisions})
	if err != nil {
		return nil, err
	}
	used := make(map[string]bool)
	for _, o := range objects {
		r, err := decode[fn.Revision](o)
		if err != nil {
			return nil, err
		}
		used[artifactName(r.Artifact.Digest)] = true
	}
	images, err := c.Images(ctx)
	if err != nil {
		return nil, err
	}
	for _, img := range images {
		used[treeOf(img)] = true
	}
	for _, s := range c.cfg.Pool.Stats(fn.Ref{}) { // of removed functions that still finish their calls
		if len(s.Instances)+s.Starting > 0 {
			if r, err := c.revision(ctx, s.Revision); err == nil {
				used[artifactName(r.Artifact.Digest)] = true
			} else {
				return nil, fn.Errorf(fn.Unavailable, "an instance of a removed revision still runs")
			}
		}
	}
	return used, nil
}

func (c *Controller) removeUnused(used map[string]bool) error {
	entries, err := os.ReadDir(c.cfg.Artifacts)
	if err != nil {
		return fmt.Errorf("listing artifacts: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if used[e.Name()] {
			continue
		}
		errs = append(errs, os.RemoveAll(filepath.Join(c.cfg.Artifacts, e.Name())))
	}
	return errors.Join(errs...)
}
