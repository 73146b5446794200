package native

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

func listFunctions(c *call, _ none) (api.FunctionList, error) {
	labels := c.labelsParam("labels")
	if err := c.wrong.Err(); err != nil {
		return api.FunctionList{}, err
	}
	views, err := c.Control.Functions(c.r.Context(), c.ref.Namespace, labels)
	out := api.FunctionList{Functions: make([]api.Function, 0, len(views))}
	for _, v := range views {
		if auth.Allow(c.who, auth.Read, v.Namespace) {
			out.Functions = append(out.Functions, functionOf(v))
		}
	}
	return out, err
}

// one turns the answer of a Control method about one function.
func one(v control.View, err error) (api.Function, error) {
	if err != nil {
		return api.Function{}, err
	}
	return functionOf(v), nil
}

func getFunction(c *call, _ none) (api.Function, error) {
	return one(c.Control.Function(c.r.Context(), c.ref))
}

func removeFunction(c *call, _ none) (none, error) {
	return none{}, c.Control.Remove(c.r.Context(), c.ref)
}

func rollback(c *call, req api.RollbackRequest) (api.Function, error) {
	if req.Revision < 0 {
		return api.Function{}, fn.Mistake{Field: "revision", Reason: "must not be negative"}
	}
	return one(c.Control.Rollback(c.r.Context(), c.ref, req.Revision))
}

func scale(c *call, req api.ScaleRequest) (api.Function, error) {
	if n := req.Replicas; n != nil && (*n < 0 || *n > fn.MaxInstances) {
		return api.Function{}, fn.Mistake{Field: "replicas", Reason: "must be between 0 and 1000, or null for the autoscaler"}
	}
	return one(c.Control.Scale(c.r.Context(), c.ref, req.Replicas))
}

func listRevisions(c *call, _ none) (api.RevisionList, error) {
	all, err := c.Control.Revisions(c.r.Context(), c.ref)
	out := api.RevisionList{Revisions: make([]api.Revision, 0, len(all))}
	for _, rv := range all {
		out.Revisions = append(out.Revisions, revisionOf(rv))
	}
	return out, err
}

func listInstances(c *call, _ none) (api.InstanceList, error) {
	all, err := c.Control.Instances(c.r.Context(), c.ref)
	out := api.InstanceList{Instances: make([]api.Instance, 0, len(all))}
	for _, in := range all {
		out.Instances = append(out.Instances, instanceOf(in))
	}
	return out, err
}

// deploy streams progress. An error before the first event is an ordinary
// error response, one after it is the last event. A client that leaves, or
// does not read, cancels the deploy.
func deploy(c *call, req api.DeployRequest, out *lines) error {
	d, err := deployOf(c.ref, req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(c.r.Context())
	defer cancel(nil)
	view, err := c.Control.Deploy(ctx, d, func(e control.Event) {
		if err := out.send(eventOf(e)); err != nil {
			cancel(fn.Errorf(fn.Canceled, "the client stopped reading: %w", err))
		}
	})
	if err != nil {
		if !out.begun {
			return err
		}
		return c.endWithError(out, err, func(e *api.Error) any { return api.DeployEvent{Error: e} })
	}
	f := functionOf(view)
	_ = out.send(api.DeployEvent{Function: &f}) // the deploy stands, whether or not the client is there
	return nil
}

// buildOutput streams; like a backup it breaks off rather than end early.
func buildOutput(c *call) error {
	out, err := c.Control.BuildOutput(c.r.Context(), c.ref)
	if err != nil {
		return err
	}
	defer out.Close()
	w := &patientWriter{w: c.w, rc: http.NewResponseController(c.w)}
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err = io.Copy(w, out)
	_ = w.rc.SetWriteDeadline(time.Time{}) // not every writer has deadlines
	if err != nil && w.begun {
		if c.r.Context().Err() == nil { // the client is there
			c.Log.Error("the output of a build broke off", "function", c.ref.String(), "error", err)
		}
		panic(http.ErrAbortHandler)
	}
	return err
}

func logs(c *call, _ none, out *lines) error {
	q := control.LogQuery{
		Follow: c.boolParam("follow"), Since: c.timeParam("since", time.Now()),
		Tail: c.intParam("tail"), Call: c.r.URL.Query().Get("call"),
	}
	if err := c.wrong.Err(); err != nil {
		return err
	}
	if _, err := c.Control.Function(c.r.Context(), c.ref); err != nil {
		return err
	}
	out.begin()
	for line, err := range c.Control.Logs(c.r.Context(), c.ref, q) {
		if err != nil {
			return c.endWithError(out, err, func(e *api.Error) any { return api.LogEvent{Error: e} })
		}
		if err := out.send(api.LogEvent{LogLine: lineOf(line)}); err != nil {
			return nil // the client has left
		}
	}
	return nil
}

// endWithError tells the client of a stream that has begun why it ends.
func (c *call) endWithError(out *lines, err error, event func(*api.Error) any) error {
	if c.r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return nil // nobody is there to read it
	}
	if fn.KindOfCall(err) == fn.Internal {
		c.Log.Error("management stream failed", "path", c.r.URL.Path, "error", err)
	}
	_ = out.send(event(errorOf(err))) // fails only if the client has left
	return nil
}
