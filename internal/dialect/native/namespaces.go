package native

import (
	"errors"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/fn"
)

func listNamespaces(c *call, _ none) (api.NamespaceList, error) {
	all, err := c.Control.Namespaces(c.r.Context())
	out := api.NamespaceList{Namespaces: []api.Namespace{}}
	for _, ns := range all {
		if auth.Allow(c.who, auth.Read, ns.Name) {
			out.Namespaces = append(out.Namespaces, api.Namespace(ns))
		}
	}
	return out, err
}

func createNamespace(c *call, req api.Namespace) (api.Namespace, error) {
	if err := checkNamespace(req); err != nil {
		return api.Namespace{}, err
	}
	ns, err := c.Control.CreateNamespace(c.r.Context(), req.Name, req.Labels, req.Annotations)
	return api.Namespace(ns), err
}

func updateNamespace(c *call, req api.Namespace) (api.Namespace, error) {
	if req.Name == "" {
		req.Name = c.ref.Namespace
	}
	err := checkNamespace(req)
	if req.Name != c.ref.Namespace {
		err = errors.Join(err, fn.Mistake{Field: "name", Reason: "must be that of the path: a namespace keeps its name"})
	}
	if err != nil {
		return api.Namespace{}, err
	}
	ns, err := c.Control.UpdateNamespace(c.r.Context(), req.Name, req.Labels, req.Annotations)
	return api.Namespace(ns), err
}

// checkNamespace judges a namespace as it was sent.
func checkNamespace(req api.Namespace) error {
	var ms fn.Mistakes
	if !req.Created.IsZero() {
		ms.Add("created", "is set by the server")
	}
	return errors.Join(ms.Err(), fn.ValidateNamespace(fn.Namespace(req)))
}

func deleteNamespace(c *call, _ none) (none, error) {
	return none{}, c.Control.DeleteNamespace(c.r.Context(), c.ref.Namespace)
}
