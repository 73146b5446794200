package control

import (
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"time"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/route"
	"rouse.dev/rouse/internal/store"
)

func sum256(b []byte) [sha256.Size]byte { return sha256.Sum256(b) }

// Deploy builds, starts and probes a new revision, then moves all traffic to
// it. Until the new revision has answered, and whenever anything fails, the
// old one serves on and nothing is stored. What is deployed already is
// recognised by its digest and left alone.
func (c *Controller) Deploy(ctx context.Context, d Deploy, emit func(Event)) (View, error) {
	if d.Image == "" {
		return c.deploy(ctx, d, emit)
	}
	// What the reference stands for must be there until it is built.
	if err := c.gate.enter(ctx); err != nil {
		return View{}, err
	}
	defer c.gate.leave()
	d, err := c.expand(ctx, d)
	if err != nil {
		return View{}, err
	}
	return c.deploy(ctx, d, emit)
}

// deploy is Deploy once it is known what a reference stands for.
func (c *Controller) deploy(ctx context.Context, d Deploy, emit func(Event)) (View, error) {
	spec, err := c.checkDeploy(ctx, d)
	if err != nil {
		return View{}, err
	}
	end, err := c.begin(ctx, d.Ref)
	if err != nil {
		return View{}, err
	}
	defer end()
	old, version, err := c.get(ctx, d.Ref)
	if err != nil && fn.KindOf(err) != fn.NotFound {
		return View{}, err
	}
	artifact, err := c.artifact(ctx, d, spec, emit)
	if err != nil {
		return View{}, err
	}
	digest, err := revisionDigest(artifact.Digest, spec)
	if err != nil {
		return View{}, err
	}
	next := old
	next.Ref, next.Spec, next.Replicas = d.Ref, spec, nil
	next.Labels, next.Annotations = d.Labels, d.Annotations
	if number := c.serving(ctx, old, digest); number > 0 {
		emit(Event{Step: "start", Done: true, Cached: true})
		return c.relabel(ctx, old, next, version)
	}
	rev := fn.Revision{
		RevisionRef: fn.RevisionRef{Ref: d.Ref, Number: c.nextNumber(old, d.Ref)},
		Digest:      digest, Artifact: artifact, Spec: spec, Created: time.Now().UTC(),
	}
	if err := c.probe(ctx, rev, c.warmth(d.Ref, spec), emit); err != nil {
		return View{}, err
	}
	defer c.settled(rev.RevisionRef)
	next.Latest = rev.Number
	next.Traffic = []fn.Target{{Revision: rev.Number, Weight: 100}}
	if err := c.commit(ctx, old, next, version, &rev); err != nil {
		c.abandon(rev.RevisionRef)
		return View{}, err
	}
	emit(Event{Step: "switch", Done: true})
	return c.Function(ctx, d.Ref)
}

// checkDeploy validates everything that can be known before a build, all
// mistakes at once, and fills in the defaults.
func (c *Controller) checkDeploy(ctx context.Context, d Deploy) (fn.Spec, error) {
	spec := d.Spec
	spec.Policy = spec.WithDefaults(c.cfg.Defaults)
	err := errors.Join(
		fn.ValidateRef(d.Ref), fn.ValidateSpec(spec),
		fn.ValidateLabels("labels", d.Labels), fn.ValidateLabels("annotations", d.Annotations),
		ValidateTriggers(d.Annotations),
	)
	if d.Source+d.Image != "" && fn.ValidName(spec.Runtime) {
		_, unknown := c.cfg.Runtimes.Get(spec.Runtime)
		err = errors.Join(err, unknown)
	}
	if err != nil {
		return spec, err
	}
	if err := c.namespaceExists(ctx, d.Namespace); err != nil {
		return spec, err
	}
	return spec, c.secretsExist(ctx, d.Namespace, spec.Secrets)
}

// artifact builds the source, or finds the artifact the deploy names.
func (c *Controller) artifact(ctx context.Context, d Deploy, spec fn.Spec, emit func(Event)) (fn.Artifact, error) {
	switch {
	case d.Revision > 0:
		r, err := c.revision(ctx, fn.RevisionRef{Ref: d.Ref, Number: d.Revision})
		return r.Artifact, err
	case d.Artifact != "":
		return c.findArtifact(ctx, d)
	case d.bundle.Artifact != nil:
		return *d.bundle.Artifact, nil
	}
	began := time.Now()
	src, err := c.open(ctx, d)
	if err != nil {
		return fn.Artifact{}, err
	}
	defer src.Close()
	emit(Event{Step: "unpack", Done: true, Took: time.Since(began)})
	return c.build(ctx, build.Request{Ref: d.Ref, Spec: spec, Source: src.Dir, SourceDigest: src.Digest}, emit)
}

// open unpacks the source of a deploy.
func (c *Controller) open(ctx context.Context, d Deploy) (Source, error) {
	if d.Image != "" {
		return c.bundleSource(d.bundle)
	}
	return c.cfg.Sources.Open(ctx, d.Source)
}

// build makes an artifact and tells of it as a deploy does.
func (c *Controller) build(ctx context.Context, req build.Request, emit func(Event)) (fn.Artifact, error) {
	return c.cfg.Builder.Build(ctx, req, func(e build.Event) {
		step := e.Step
		if step == "" {
			step = "build"
		}
		emit(Event{Step: step, Line: e.Line, Done: e.Done, Cached: e.Cached, Took: e.Took})
	})
}

// findArtifact looks for an artifact by digest among the function's own
// revisions: an artifact of somebody else is not there for the asking.
func (c *Controller) findArtifact(ctx context.Context, d Deploy) (fn.Artifact, error) {
	revs, err := c.revisionsOf(ctx, d.Ref)
	if err != nil {
		return fn.Artifact{}, err
	}
	for _, r := range revs {
		if r.Artifact.Digest == d.Artifact {
			return r.Artifact, nil
		}
	}
	return fn.Artifact{}, fn.WithHint(fn.Errorf(fn.NotFound, "%s has no artifact %.80s", d.Ref, d.Artifact), "deploy from source instead")
}

// serving returns the number of the revision that takes all of f's traffic,
// if its digest is the given one, else 0.
func (c *Controller) serving(ctx context.Context, f fn.Function, digest string) int {
	if len(f.Traffic) != 1 {
		return 0
	}
	r, err := c.revision(ctx, fn.RevisionRef{Ref: f.Ref, Number: f.Traffic[0].Revision})
	if err != nil || r.Digest != digest {
		return 0
	}
	return r.Number
}

// relabel stores what a deploy changed besides the revision, if anything.
func (c *Controller) relabel(ctx context.Context, old, next fn.Function, version uint64) (View, error) {
	if !maps.Equal(old.Labels, next.Labels) || !maps.Equal(old.Annotations, next.Annotations) || old.Replicas != nil {
		if err := c.commit(ctx, old, next, version, nil); err != nil {
			return View{}, err
		}
	}
	return c.Function(ctx, next.Ref)
}

// nextNumber gives out a revision number that neither the store nor a failed
// deploy of this server's life has used.
func (c *Controller) nextNumber(f fn.Function, ref fn.Ref) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := max(f.Latest, c.burned[ref]) + 1
	c.burned[ref] = n
	return n
}

// warmth is how many instances of a new revision must answer before it takes
// over: as many as serve now, so that a switch under load is not a cold start.
func (c *Controller) warmth(ref fn.Ref, spec fn.Spec) int {
	n := max(1, spec.Scale.Min)
	for _, s := range c.cfg.Pool.Stats(ref) {
		awake := 0
		for _, i := range s.Instances {
			if i.State == "ready" || i.State == "busy" {
				awake++
			}
		}
		n = max(n, awake)
	}
	return min(n, spec.Scale.Max)
}

// probe starts instances of a revision that is not stored yet.
func (c *Controller) probe(ctx context.Context, rev fn.Revision, n int, emit func(Event)) error {
	began := time.Now()
	emit(Event{Step: "start"})
	c.mu.Lock()
	c.pending[rev.RevisionRef] = rev
	c.mu.Unlock()
	if err := c.cfg.Pool.Warm(ctx, rev.RevisionRef, n); err != nil {
		c.abandon(rev.RevisionRef)
		return err
	}
	emit(Event{Step: "start", Done: true, Took: time.Since(began)})
	return nil
}

// abandon takes back a revision that did not make it.
func (c *Controller) abandon(rev fn.RevisionRef) {
	c.cfg.Pool.Forget(rev)
	c.settled(rev)
}

// settled ends a revision's time as pending: it is stored, or given up.
func (c *Controller) settled(rev fn.RevisionRef) {
	c.mu.Lock()
	delete(c.pending, rev)
	c.mu.Unlock()
}

// commit stores a changed function (and its new revision), routes to it and
// retires what no longer takes traffic. It is the one place a function
// changes in.
func (c *Controller) commit(ctx context.Context, old, next fn.Function, version uint64, rev *fn.Revision) error {
	now := time.Now().UTC()
	if next.Updated = now; version == 0 {
		next.Created = now
	}
	if err := ValidateFunction(next); err != nil {
		return err
	}
	value, err := encode(next)
	if err != nil {
		return err
	}
	changes := []store.Change{{Key: functionKey(next.Ref), Labels: next.Labels, Value: value, IfVersion: version}}
	if rev != nil {
		value, err := encode(rev)
		if err != nil {
			return err
		}
		changes = append(changes, store.Change{Key: revisionKey(rev.RevisionRef), Value: value})
		changes = append(changes, c.prune(ctx, old, next)...)
	}
	if version == 0 {
		err = c.applyIn(ctx, next.Namespace, changes)
	} else {
		_, err = c.cfg.Store.Apply(ctx, changes...)
	}
	if err != nil {
		return err
	}
	c.unburn(next)
	c.cfg.Routes.Set(route.NewEntry(next.Ref, next.Spec.Limits.Timeout, next.Traffic))
	// Stored and routed: what follows only brings the pool in line, so it
	// must not stop half-way because the caller left.
	c.pin(context.WithoutCancel(ctx), next)
	for _, t := range old.Traffic {
		if !takesTraffic(next, t.Revision) {
			c.cfg.Pool.Retire(fn.RevisionRef{Ref: next.Ref, Number: t.Revision})
		}
	}
	return nil
}

// burn keeps the numbers of a function that goes, or goes back in time, from
// being given out again: a new revision must not meet an old one's instances.
func (c *Controller) burn(f fn.Function) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.burned[f.Ref] = max(c.burned[f.Ref], f.Latest)
}

// unburn forgets the numbers that the store now remembers.
func (c *Controller) unburn(f fn.Function) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.burned[f.Ref] <= f.Latest {
		delete(c.burned, f.Ref)
	}
}

func takesTraffic(f fn.Function, number int) bool {
	for _, t := range f.Traffic {
		if t.Revision == number && (t.Weight > 0 || t.Tag != "") {
			return true
		}
	}
	return false
}

// prune deletes the oldest revisions beyond those to be kept. What serves
// until now is kept once more: calls may be on their way to it. A listing that
// fails prunes nothing: the next deploy will.
func (c *Controller) prune(ctx context.Context, old, next fn.Function) []store.Change {
	revs, err := c.revisionsOf(ctx, next.Ref)
	if err != nil {
		return nil
	}
	var changes []store.Change
	for _, r := range revs {
		if len(revs)+1-len(changes) <= c.cfg.Keep {
			break
		}
		if !takesTraffic(next, r.Number) && !takesTraffic(old, r.Number) {
			changes = append(changes, store.Change{Key: revisionKey(r.RevisionRef), IfVersion: store.AnyVersion})
		}
	}
	return changes
}
