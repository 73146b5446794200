package openfaas

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

func (c *call) calls(ref fn.Ref) uint64 {
	if c.Calls == nil {
		return 0
	}
	return c.Calls.Calls(ref)
}

// listFunctions lists one namespace. A log-in is this request, so an account
// that has nothing to do with the default namespace gets an empty list of it.
func listFunctions(c *call) error {
	asked, out := c.param("namespace"), []status{}
	if asked == "" && !auth.Allow(c.who, c.route.access, fn.DefaultNamespace) {
		return c.json(http.StatusOK, out)
	}
	namespace, err := c.enter(asked)
	if err != nil {
		return err
	}
	views, err := c.Control.Functions(c.r.Context(), namespace, nil)
	if err != nil {
		return err
	}
	for _, v := range views {
		out = append(out, statusOf(v, c.calls(v.Ref)))
	}
	return c.json(http.StatusOK, out)
}

func getFunction(c *call) error {
	ref, err := c.function(c.r.PathValue("name"), "")
	if err != nil {
		return err
	}
	v, err := c.look(ref)
	if err != nil {
		return err
	}
	s := statusOf(v, c.calls(ref))
	if wants, _ := strconv.ParseBool(c.param("usage")); wants {
		s.Usage = c.usage(ref)
	}
	return c.json(http.StatusOK, s)
}

// usage measures what a function's instances use now, nil if none can be
// measured.
func (c *call) usage(ref fn.Ref) *usage {
	ctx := c.r.Context()
	before, err := c.Control.Instances(ctx, ref)
	if err != nil || len(before) == 0 {
		return nil
	}
	began := time.Now()
	t := time.NewTimer(c.Sample)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return nil
	}
	after, err := c.Control.Instances(ctx, ref)
	if err != nil {
		return nil
	}
	return usageOf(before, after, time.Since(began))
}

// usageOf sums up the use between two looks at the instances.
func usageOf(before, after []control.InstanceView, took time.Duration) *usage {
	used := map[string]time.Duration{}
	for _, in := range before {
		used[in.ID] = in.Usage.CPU
	}
	var sum usage
	for _, in := range after {
		sum.Memory += float64(in.Usage.Memory)
		if earlier, ok := used[in.ID]; ok && in.Usage.CPU > earlier {
			sum.CPU += float64(in.Usage.CPU-earlier) / float64(took) * 1000
		}
	}
	if sum == (usage{}) {
		return nil
	}
	return &sum
}

func removeFunction(c *call) error {
	var req deleteRequest
	if err := c.read(&req); err != nil {
		return err
	}
	ref, err := c.function(req.Function, req.Namespace)
	if err != nil {
		return err
	}
	if _, err := c.look(ref); err != nil {
		return err
	}
	// What has begun is done, whether or not the client waits for it.
	if err := c.Control.Remove(context.WithoutCancel(c.r.Context()), ref); err != nil {
		return err
	}
	return c.done(http.StatusAccepted)
}

func scaleFunction(c *call) error {
	var req scaleRequest
	if err := c.read(&req); err != nil {
		return err
	}
	ref, err := c.function(c.r.PathValue("name"), req.Namespace)
	if err != nil {
		return err
	}
	v, err := c.look(ref)
	if err != nil {
		return err
	}
	var ms fn.Mistakes
	if n, most := req.Replicas, v.Spec.Scale.Max; n == nil {
		ms.Add("replicas", "say how many")
	} else if *n < 0 || *n > most {
		ms.Add("replicas", "must be between 0 and %s (%d), got %d", deployment.MaxLabel, most, *n)
	}
	if err := ms.Err(); err != nil {
		return err
	}
	if _, err := c.Control.Scale(context.WithoutCancel(c.r.Context()), ref, req.Replicas); err != nil {
		return err
	}
	return c.done(http.StatusAccepted)
}
