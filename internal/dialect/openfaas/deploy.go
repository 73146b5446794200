package openfaas

import (
	"context"
	"errors"
	"net/http"
	"time"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

func createFunction(c *call) error { return c.deploy(true) }
func updateFunction(c *call) error { return c.deploy(false) }

// deploy makes a function, or changes one: never the other of the two, because
// clients try one after the other.
func (c *call) deploy(create bool) error {
	var req deployment.Request
	if err := c.read(&req); err != nil {
		return err
	}
	ref, err := c.deployTo(&req)
	if fn.KindOfCall(err) == fn.Denied {
		return err
	}
	d, remarks, err2 := c.translate(ref, &req)
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	_, err = c.look(ref)
	switch {
	case create && err == nil:
		return fn.WithHint(fn.Errorf(fn.Conflict, "function %s exists already", ref.Name), "send PUT to update it")
	case err != nil && (!create || fn.KindOfCall(err) != fn.NotFound):
		return err
	}
	for _, remark := range remarks {
		c.Log.Info("part of a deployment is kept without effect", "function", ref.String(), "part", remark)
	}
	if err := c.run(d); err != nil {
		return unlessMissing(err)
	}
	return c.done(http.StatusAccepted)
}

// deployTo is the function a deployment is about. Its name has no namespace
// in it.
func (c *call) deployTo(req *deployment.Request) (fn.Ref, error) {
	asked := req.Namespace
	if asked == "" {
		asked = c.param("namespace")
	}
	namespace, err := c.enter(asked)
	return fn.Ref{Namespace: namespace, Name: req.Service}, err
}

// translate reads a deployment: all that is wrong with it at once.
func (c *call) translate(ref fn.Ref, req *deployment.Request) (control.Deploy, []string, error) {
	var ms fn.Mistakes
	if err := fn.ValidateName("service", req.Service); err != nil {
		ms = append(ms, err)
	}
	if req.Image == "" {
		ms.Add("image", "is missing: name the image that is to run")
	}
	base, err := c.base(ref, req.Image)
	if err != nil {
		ms = append(ms, err)
	}
	if ref.Namespace == "" || !fn.ValidName(ref.Name) {
		ref = fn.Ref{Namespace: fn.DefaultNamespace, Name: "f"} // what is wrong with it was said
	}
	m, err := deployment.Translate(req, base)
	d := control.Deploy{Ref: ref, Spec: m.Spec, Labels: m.Labels, Annotations: m.Annotations}
	if base == nil {
		d.Image = req.Image
	} else {
		d.Revision = base.Number
	}
	if err = errors.Join(ms.Err(), err); err != nil {
		err = errors.Join(err, control.ValidateTriggers(req.Annotations)) // if nothing else is wrong, Control says it
	}
	return d, m.Remarks, err
}

// base is the revision an image names, if it is one of the function itself;
// nil for an image of another kind.
func (c *call) base(ref fn.Ref, image string) (*fn.Revision, error) {
	rev, ok, err := revisionOf(image)
	if !ok || err != nil {
		return nil, err
	}
	if rev.Ref != ref {
		return nil, fn.Mistake{Field: "image", Reason: clip(image) + " is a revision of another function: deploy this one from source with rouse deploy, or from an image"}
	}
	all, err := c.Control.Revisions(c.r.Context(), ref)
	if err != nil && fn.KindOfCall(err) != fn.NotFound {
		return nil, err
	}
	for _, r := range all {
		if r.Number == rev.Number {
			return &r.Revision, nil
		}
	}
	return nil, fn.Mistake{Field: "image", Reason: clip(image) + " is not kept any more, or never was"}
}

// unlessMissing makes an invalid request of one that names something that is
// not there: to these clients 404 means that the function is not.
func unlessMissing(err error) error {
	if fn.KindOfCall(err) == fn.NotFound {
		return statusError{http.StatusBadRequest, err}
	}
	return err
}

var errStopping = fn.Errorf(fn.Unavailable, "the server is stopping")

// run deploys. A client that leaves, or waits for less than it takes, does not
// undo it: these clients deem a deployment accepted once it is sent. One that
// takes longer than Wait is answered for while it goes on; how it ends is in
// the log then.
func (c *call) run(d control.Deploy) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(c.r.Context()))
	ended, left := make(chan error), make(chan struct{})
	defer close(left)
	begun := c.begin(&d, cancel, func() {
		defer cancel(nil)
		_, err := c.Control.Deploy(ctx, d, func(control.Event) {})
		select {
		case ended <- err:
		case <-left:
			c.Log.Info("a deploy nobody waited for has ended", "function", d.Ref.String(), "error", err)
		}
	})
	if !begun {
		cancel(nil)
		return errStopping
	}
	t := time.NewTimer(c.Wait)
	defer t.Stop()
	select {
	case err := <-ended:
		return err
	case <-t.C:
		return nil
	case <-c.r.Context().Done():
		return fn.Errorf(fn.Canceled, "waiting for the deploy of %s: %w", d.Ref, context.Cause(c.r.Context()))
	}
}

// begin runs a deploy in a goroutine of the API's own, unless it is closed.
func (a *API) begin(d *control.Deploy, cancel context.CancelCauseFunc, run func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stops == nil {
		return false
	}
	a.stops[d] = cancel
	a.deploys.Go(func() {
		run()
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.stops, d)
	})
	return true
}

// Close ends the deploys under way, which leaves what served before in place,
// and waits for them. There are none afterwards.
func (a *API) Close() error {
	a.mu.Lock()
	for _, cancel := range a.stops {
		cancel(errStopping)
	}
	a.stops = nil
	a.mu.Unlock()
	a.deploys.Wait()
	return nil
}
