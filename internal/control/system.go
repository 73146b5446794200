package control

import (
	"context"
	"strings"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// Info describes this server.
func (c *Controller) Info(ctx context.Context) (Info, error) {
	namespaces, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindNamespaces})
	if err != nil {
		return Info{}, err
	}
	instances := 0
	for _, s := range c.cfg.Pool.Stats(fn.Ref{}) {
		instances += len(s.Instances)
	}
	c.levelOnce.Do(func() { // it does not change while the server runs, and finding out takes a while
		report, _ := c.Doctor(ctx)
		c.level = report.Level
	})
	return Info{
		Version: c.cfg.Version, Isolation: c.level, URL: c.cfg.URL, Domain: c.cfg.Domain,
		Namespaces: len(namespaces), Functions: c.cfg.Routes.Len(), Instances: instances, Started: c.began,
	}, nil
}

// Runtimes lists the runtimes as this host can offer them.
func (c *Controller) Runtimes(context.Context) ([]Runtime, error) {
	var all []Runtime
	for _, r := range c.cfg.Runtimes.All() {
		rt := Runtime{Name: r.Name, Summary: r.Summary, Available: true}
		if len(r.Handler) > 0 {
			rt.Handler = r.Handler[0]
		}
		for _, m := range r.Modes {
			rt.Modes = append(rt.Modes, m.Mode)
		}
		var packages []string
		for _, q := range c.cfg.Runtimes.Missing(r) {
			packages = append(packages, q.Package)
		}
		if len(packages) > 0 {
			rt.Available = false
			rt.Missing = "apt-get install " + strings.Join(packages, " ")
		}
		all = append(all, rt)
	}
	return all, nil
}

// Doctor says how well this host can isolate functions.
func (c *Controller) Doctor(ctx context.Context) (engine.Report, error) {
	if c.cfg.Engine == nil {
		return engine.Report{Level: "none"}, nil
	}
	return c.cfg.Engine.Report(ctx), nil
}
