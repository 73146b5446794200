package native

import (
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
	var ms fn.Mistakes
	if !req.Created.IsZero() {
		ms.Add("created", "is set by the server")
	}
	for _, err := range []error{fn.ValidateName("name", req.Name), fn.ValidateLabels("labels", req.Labels)} {
		if err != nil {
			ms = append(ms, err)
		}
	}
	if err := ms.Err(); err != nil {
		return api.Namespace{}, err
	}
	ns, err := c.Control.CreateNamespace(c.r.Context(), req.Name, req.Labels)
	return api.Namespace(ns), err
}

func deleteNamespace(c *call, _ none) (none, error) {
	return none{}, c.Control.DeleteNamespace(c.r.Context(), c.ref.Namespace)
}
