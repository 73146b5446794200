package openfaas

import (
	"maps"
	"net/http"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

// markLabel says that a namespace is one for functions. All are here, so every
// one shows it, and whoever makes one has to say it.
const markLabel = "openfaas"

func listNamespaces(c *call) error {
	all, err := c.Control.Namespaces(c.r.Context())
	if err != nil {
		return err
	}
	names := []string{}
	for _, ns := range all {
		if auth.Allow(c.who, auth.Read, ns.Name) {
			names = append(names, deployment.NamespaceOut(ns.Name))
		}
	}
	return c.json(http.StatusOK, names)
}

func namespaceOf(ns fn.Namespace) namespace {
	labels := map[string]string{markLabel: "1"}
	maps.Copy(labels, ns.Labels)
	return namespace{Name: deployment.NamespaceOut(ns.Name), Labels: labels, Annotations: ns.Annotations}
}

func getNamespace(c *call) error {
	ns, err := c.Control.Namespace(c.r.Context(), deployment.NamespaceIn(c.r.PathValue("namespace")))
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, namespaceOf(ns))
}

// unnamed answers who asks for a namespace without saying which.
func unnamed(*call) error {
	return fn.Mistake{Field: "name", Reason: "give the name of a namespace"}
}

func createNamespace(c *call) error {
	var req namespace
	if err := c.read(&req); err != nil {
		return err
	}
	if req.Name == deployment.DefaultNamespace {
		return fn.Errorf(fn.Conflict, "namespace %s exists already", req.Name)
	}
	var ms fn.Mistakes
	if req.Labels[markLabel] != "1" {
		ms.Add("labels", "%s=1 is missing: it marks a namespace for functions", markLabel)
	}
	ms = append(ms, fn.ValidateNamespace(fn.Namespace{Name: req.Name, Labels: req.Labels, Annotations: req.Annotations}))
	if err := ms.Err(); err != nil {
		return err
	}
	if _, err := c.Control.CreateNamespace(c.r.Context(), req.Name, req.Labels, req.Annotations); err != nil {
		return err
	}
	return c.done(http.StatusCreated)
}

// bodyOf reads a namespace that must be the one in the path, if the body names
// one.
func (c *call) bodyOf() (namespace, string, error) {
	var req namespace
	if err := c.read(&req); err != nil {
		return req, "", err
	}
	name := deployment.NamespaceIn(c.r.PathValue("namespace"))
	if req.Name != "" && deployment.NamespaceIn(req.Name) != name {
		return req, "", fn.Mistake{Field: "name", Reason: "must be that of the path, " + deployment.NamespaceOut(name)}
	}
	return req, name, nil
}

func updateNamespace(c *call) error {
	req, name, err := c.bodyOf()
	if err != nil {
		return err
	}
	if _, err := c.Control.UpdateNamespace(c.r.Context(), name, req.Labels, req.Annotations); err != nil {
		return err
	}
	return c.done(http.StatusAccepted)
}

func deleteNamespace(c *call) error {
	_, name, err := c.bodyOf()
	if err != nil {
		return err
	}
	if err := c.Control.DeleteNamespace(c.r.Context(), name); err != nil {
		return err
	}
	return c.done(http.StatusAccepted)
}
