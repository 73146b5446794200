package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pool"
	"rouse.dev/rouse/internal/store"
)

// Functions lists functions in name order; an empty namespace means all, and
// labels must all match.
func (c *Controller) Functions(ctx context.Context, namespace string, labels map[string]string) ([]View, error) {
	if namespace != "" {
		if err := c.namespaceExists(ctx, namespace); err != nil {
			return nil, err
		}
	}
	objects, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindFunctions, Namespace: namespace, Labels: labels})
	if err != nil {
		return nil, err
	}
	live := make(map[fn.Ref][]pool.Stats)
	for _, s := range c.cfg.Pool.Stats(fn.Ref{}) {
		live[s.Revision.Ref] = append(live[s.Revision.Ref], s)
	}
	views := make([]View, 0, len(objects))
	for _, o := range objects {
		f, err := decode[fn.Function](o)
		if err != nil {
			return nil, err
		}
		views = append(views, c.view(f, live[f.Ref]))
	}
	return views, nil
}

// Function returns one function.
func (c *Controller) Function(ctx context.Context, ref fn.Ref) (View, error) {
	f, _, err := c.get(ctx, ref)
	if err != nil {
		return View{}, err
	}
	return c.view(f, c.cfg.Pool.Stats(ref)), nil
}

func (c *Controller) view(f fn.Function, live []pool.Stats) View {
	v := View{Function: f, URL: c.url(f.Ref)}
	for _, s := range live {
		v.Replicas = v.Replicas.plus(s.Counts())
		if s.Failure != nil && takesTraffic(f, s.Revision.Number) {
			v.LastError = s.Failure
		}
	}
	return v
}

func (c *Controller) url(ref fn.Ref) string {
	if ref.Namespace == fn.DefaultNamespace {
		return fmt.Sprintf("%s/function/%s", c.cfg.URL, ref.Name)
	}
	return fmt.Sprintf("%s/function/%s.%s", c.cfg.URL, ref.Name, ref.Namespace)
}

// plus adds a further revision's instances.
func (r Replicas) plus(c pool.Counts) Replicas {
	r.Starting += c.Starting
	r.Ready += c.Ready
	r.Busy += c.Busy
	r.Frozen += c.Frozen
	r.Draining += c.Draining
	return r
}

// Revisions lists the kept revisions, newest first.
func (c *Controller) Revisions(ctx context.Context, ref fn.Ref) ([]RevisionView, error) {
	f, _, err := c.get(ctx, ref)
	if err != nil {
		return nil, err
	}
	revs, err := c.revisionsOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	live := c.cfg.Pool.Stats(ref)
	views := make([]RevisionView, 0, len(revs))
	for _, r := range slices.Backward(revs) {
		v := RevisionView{Revision: r}
		for _, t := range f.Traffic {
			if t.Revision == r.Number {
				v.Weight, v.Tag = t.Weight, t.Tag
			}
		}
		for _, s := range live {
			if s.Revision.Number == r.Number {
				v.Replicas = v.Replicas.plus(s.Counts())
			}
		}
		views = append(views, v)
	}
	return views, nil
}

// revisionsOf reads the stored revisions of a function, oldest first.
func (c *Controller) revisionsOf(ctx context.Context, ref fn.Ref) ([]fn.Revision, error) {
	objects, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindRevisions, Namespace: ref.String()})
	if err != nil {
		return nil, err
	}
	revs := make([]fn.Revision, 0, len(objects))
	for _, o := range objects {
		r, err := decode[fn.Revision](o)
		if err != nil {
			return nil, err
		}
		revs = append(revs, r)
	}
	return revs, nil
}

// Instances lists what runs now, oldest first.
func (c *Controller) Instances(ctx context.Context, ref fn.Ref) ([]InstanceView, error) {
	if _, _, err := c.get(ctx, ref); err != nil {
		return nil, err
	}
	var views []InstanceView
	for _, s := range c.cfg.Pool.Stats(ref) {
		for _, i := range s.Instances {
			v := InstanceView{
				ID: i.ID, Revision: s.Revision, State: i.State,
				InFlight: i.Calls, Calls: i.Served, Started: i.Began,
			}
			if i.Usage != nil {
				v.Usage, _ = i.Usage() // unknown for an instance that just ended
			}
			views = append(views, v)
		}
	}
	slices.SortFunc(views, func(a, b InstanceView) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
	return views, nil
}
