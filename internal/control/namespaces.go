package control

import (
	"context"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// Namespaces lists all namespaces in name order.
func (c *Controller) Namespaces(ctx context.Context) ([]fn.Namespace, error) {
	objects, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindNamespaces})
	if err != nil {
		return nil, err
	}
	all := make([]fn.Namespace, 0, len(objects))
	for _, o := range objects {
		n, err := decode[fn.Namespace](o)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// Namespace returns one namespace, or fn.NotFound.
func (c *Controller) Namespace(ctx context.Context, name string) (fn.Namespace, error) {
	n, _, err := c.getNamespace(ctx, name)
	return n, err
}

// getNamespace reads a namespace and the version it has in the store.
func (c *Controller) getNamespace(ctx context.Context, name string) (fn.Namespace, uint64, error) {
	o, err := c.cfg.Store.Get(ctx, namespaceKey(name))
	if err != nil {
		return fn.Namespace{}, 0, c.noNamespace(name, err)
	}
	n, err := decode[fn.Namespace](o)
	return n, o.Version, err
}

// CreateNamespace makes a namespace; fn.Conflict if it exists.
func (c *Controller) CreateNamespace(ctx context.Context, name string, labels, annotations map[string]string) (fn.Namespace, error) {
	n := fn.Namespace{Name: name, Labels: labels, Annotations: annotations, Created: time.Now().UTC()}
	err := c.putNamespace(ctx, n, 0)
	if fn.KindOf(err) == fn.Conflict {
		return n, fn.Errorf(fn.Conflict, "namespace %s exists already", name)
	}
	return n, err
}

// UpdateNamespace replaces the labels and annotations of a namespace;
// fn.NotFound if there is none.
func (c *Controller) UpdateNamespace(ctx context.Context, name string, labels, annotations map[string]string) (fn.Namespace, error) {
	for {
		n, version, err := c.getNamespace(ctx, name)
		if err != nil {
			return n, err
		}
		n.Labels, n.Annotations = labels, annotations
		err = c.putNamespace(ctx, n, version)
		if fn.KindOf(err) != fn.Conflict || ctx.Err() != nil { // a function was made in it meanwhile
			return n, err
		}
	}
}

// putNamespace stores a namespace that has the given version, 0 for a new one.
func (c *Controller) putNamespace(ctx context.Context, n fn.Namespace, version uint64) error {
	if err := fn.ValidateNamespace(n); err != nil {
		return err
	}
	value, err := encode(n)
	if err != nil {
		return err
	}
	_, err = c.cfg.Store.Apply(ctx, store.Change{Key: namespaceKey(n.Name), Labels: n.Labels, Value: value, IfVersion: version})
	return err
}

// DeleteNamespace removes an empty namespace.
func (c *Controller) DeleteNamespace(ctx context.Context, name string) error {
	if name == fn.DefaultNamespace {
		return fn.Errorf(fn.Conflict, "namespace %s cannot be deleted: it is where functions without a namespace live", name)
	}
	o, err := c.cfg.Store.Get(ctx, namespaceKey(name))
	if err != nil {
		return c.noNamespace(name, err)
	}
	functions, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kindFunctions, Namespace: name})
	if err != nil {
		return err
	}
	if len(functions) > 0 {
		return fn.WithHint(fn.Errorf(fn.Conflict, "namespace %s has %s", name, plural(len(functions), "function")), "remove them first: rouse list -n %s", name)
	}
	secrets, err := c.sealedSecrets(ctx, name)
	if err != nil {
		return err
	}
	if len(secrets) > 0 {
		return fn.WithHint(fn.Errorf(fn.Conflict, "namespace %s has %s", name, plural(len(secrets), "secret")), "remove them first: rouse secret list -n %s", name)
	}
	_, err = c.cfg.Store.Apply(ctx, store.Change{Key: o.Key, IfVersion: o.Version})
	if fn.KindOf(err) == fn.Conflict {
		return fn.WithHint(fn.Errorf(fn.Conflict, "namespace %s was used while it was being deleted", name), "see what is in it: rouse list -n %s", name)
	}
	if err == nil && c.cfg.ForgetNamespace != nil {
		err = c.cfg.ForgetNamespace(context.WithoutCancel(ctx), name) // it is gone: nobody can ask for this again
	}
	if err == nil && c.cfg.Builds != nil {
		err = c.cfg.Builds.ForgetNamespace(name) // the next one of that name may be somebody else's
	}
	return err
}

// plural writes "1 function" or "2 functions".
func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

func (c *Controller) namespaceExists(ctx context.Context, name string) error {
	_, err := c.cfg.Store.Get(ctx, namespaceKey(name))
	return c.noNamespace(name, err)
}

// noNamespace words the error of a look-up that found no namespace.
func (c *Controller) noNamespace(name string, err error) error {
	if err != nil && fn.KindOf(err) == fn.NotFound {
		return fn.WithHint(fn.Errorf(fn.NotFound, "there is no namespace %s", name), "rouse namespace create %s", name)
	}
	return err
}

// applyIn makes changes that need the namespace to be there. Others who do the
// same at the same time are no conflict.
func (c *Controller) applyIn(ctx context.Context, namespace string, changes []store.Change) error {
	var seen uint64
	for {
		touch, err := c.touchNamespace(ctx, namespace)
		if err != nil {
			return err
		}
		_, err = c.cfg.Store.Apply(ctx, append(changes, touch)...)
		if fn.KindOf(err) != fn.Conflict || touch.IfVersion == seen {
			return err
		}
		seen = touch.IfVersion
	}
}

// touchNamespace is a write that changes nothing, but fails if the namespace
// is deleted at the same time as a function is made in it.
func (c *Controller) touchNamespace(ctx context.Context, name string) (store.Change, error) {
	o, err := c.cfg.Store.Get(ctx, namespaceKey(name))
	if err != nil {
		return store.Change{}, c.noNamespace(name, err)
	}
	return store.Change{Key: o.Key, Labels: o.Labels, Value: o.Value, IfVersion: o.Version}, nil
}
