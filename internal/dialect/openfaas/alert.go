package openfaas

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/scale"
)

// alert lets an Alertmanager scale functions, each alert for itself.
func alert(c *call) error {
	var req alerts
	if err := c.read(&req); err != nil {
		return err
	}
	if req.Status == "" && len(req.Alerts) == 0 {
		return fn.Errorf(fn.Invalid, "the body is no message of an Alertmanager")
	}
	var failed []string
	for _, a := range req.Alerts {
		name := a.Labels["function_name"]
		if err := c.react(name, cmp.Or(a.Status, req.Status)); err != nil {
			failed = append(failed, fmt.Sprintf("%d. %s: %s", len(failed)+1, clip(name), err))
		}
	}
	if len(failed) > 0 {
		return statusError{http.StatusInternalServerError, fn.Errorf(fn.Internal, "%s", strings.Join(failed, "\n"))}
	}
	return c.done(http.StatusOK)
}

// react does what one alert asks for. A function that is not there is no
// mistake: alerts come late.
func (c *call) react(name, state string) error {
	ref, err := c.function(name, "")
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(c.r.Context())
	v, err := c.Control.Function(ctx, ref)
	if fn.KindOfCall(err) == fn.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	switch state {
	case "firing":
		if n := raised(v); n > wanted(v) {
			_, err = c.Control.Scale(ctx, ref, &n)
		}
	case "resolved":
		return c.lower(ctx, v)
	default:
		err = fn.Errorf(fn.Invalid, "status %q is neither firing nor resolved", clip(state))
	}
	return err
}

// raised is how many instances an alert that fires asks for.
func raised(v control.View) int {
	return scale.AlertStep(wanted(v), 0, v.Spec.Scale.Max, deployment.AlertFactor(v.Labels), true)
}

// lower goes back to the minimum, and gives the function back to the
// autoscaler.
func (c *call) lower(ctx context.Context, v control.View) error {
	least := max(v.Spec.Scale.Min, v.Spec.Scale.Activation)
	if wanted(v) <= least {
		return nil
	}
	if _, err := c.Control.Scale(ctx, v.Ref, &least); err != nil {
		return err
	}
	_, err := c.Control.Scale(ctx, v.Ref, nil)
	return err
}
