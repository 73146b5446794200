package openfaas

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
	"rouse.dev/rouse/internal/fn"
)

// call is one request on its way through a handler. It belongs to the
// goroutine that serves it.
type call struct {
	*API
	w     http.ResponseWriter
	r     *http.Request
	route *route
	who   auth.Identity
}

// serve wraps a route: who asks, whether they may, then the handler; one place
// turns errors into answers.
func (a *API) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		c := &call{API: a, w: w, r: r, route: &rt}
		err := c.admit()
		if err == nil {
			err = rt.serve(c)
		}
		if err != nil {
			a.fail(w, r, err)
		}
	})
}

// admit finds out who asks and refuses what the table does not allow.
func (c *call) admit() error {
	if c.route.access == auth.Public {
		return nil
	}
	who, err := c.Identify(c.r)
	if err != nil {
		return err
	}
	if who.Name == "" {
		return fn.Errorf(fn.Unauthenticated, "this needs an account")
	}
	c.who = who
	namespace := c.r.PathValue("namespace")
	if namespace != "" {
		namespace = deployment.NamespaceIn(namespace)
	}
	return c.allow(namespace)
}

// allow is where a policy that knows actions will be asked, too.
func (c *call) allow(namespace string) error {
	if auth.Allow(c.who, c.route.access, namespace) {
		return nil
	}
	where := ""
	if namespace != "" {
		where = " in namespace " + clip(deployment.NamespaceOut(namespace))
	}
	return fn.WithHint(fn.Errorf(fn.Denied, "account %s may not do this (%s): it needs the role %v%s",
		c.who.Name, c.route.action, c.route.access, where), "ask an administrator for a role that may")
}

// enter is the namespace that a request is about, as a client names it: it
// must be there, and the account must be allowed in it.
func (c *call) enter(name string) (string, error) {
	namespace := deployment.NamespaceIn(name)
	if err := fn.ValidateName("namespace", namespace); err != nil {
		return "", err
	}
	if err := c.allow(namespace); err != nil {
		return "", err
	}
	_, err := c.Control.Namespace(c.r.Context(), namespace)
	if fn.KindOfCall(err) == fn.NotFound { // to these clients 404 means that the function is not there
		err = fn.Mistake{Field: "namespace", Reason: "there is no namespace " + name + "; faas-cli namespace list shows what there is"}
	}
	return namespace, err
}

// function finds out which function a request means: the namespace stands in
// the body, else in the query, else after the last dot of the name. Clients
// differ, and some fill in one of them only.
func (c *call) function(name, namespace string) (fn.Ref, error) {
	bare, suffix := splitName(name)
	if bare == "" {
		return fn.Ref{}, fn.Mistake{Field: "name", Reason: "give the name of a function"}
	}
	namespace, err := c.enter(cmp.Or(namespace, c.param("namespace"), suffix))
	if err != nil {
		return fn.Ref{}, err
	}
	if !fn.ValidName(bare) {
		return fn.Ref{}, fn.Errorf(fn.NotFound, "there is no function %q", clip(name))
	}
	return fn.Ref{Namespace: namespace, Name: bare}, nil
}

// look returns a function in the words of these clients if it is not there.
func (c *call) look(ref fn.Ref) (control.View, error) {
	v, err := c.Control.Function(c.r.Context(), ref)
	if fn.KindOfCall(err) == fn.NotFound {
		err = fn.Errorf(fn.NotFound, "there is no function %s in namespace %s", ref.Name, deployment.NamespaceOut(ref.Namespace))
	}
	return v, err
}

// splitName splits NAME.NAMESPACE at the last dot.
func splitName(s string) (name, namespace string) {
	if i := strings.LastIndexByte(s, '.'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// param is a parameter of the query; of a repeated one the last counts.
func (c *call) param(name string) string {
	if values := c.r.URL.Query()[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// read decodes a JSON body of at most maxBody bytes. Keys that are not known
// are ignored: clients are of many ages. Without a body dst stays as it is.
func (c *call) read(dst any) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fn.Errorf(fn.TooLarge, "the request is larger than %s", fn.FormatBytes(maxBody))
	}
	if err != nil {
		return fn.Errorf(fn.Canceled, "reading the request: %w", err)
	}
	if len(body) == 0 {
		return nil
	}
	err = json.Unmarshal(body, dst)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fn.Mistake{Field: cmp.Or(strings.TrimPrefix(wrong.Field, "Settings."), "the body"), Reason: "cannot be a " + wrong.Value}
	}
	if err != nil {
		return fn.Errorf(fn.Invalid, "the body is not the JSON that is wanted here: %v", err)
	}
	return nil
}

func (c *call) json(status int, v any) error {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	enc := json.NewEncoder(c.w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // fails only if the client has left
	return nil
}

// done answers without a body.
func (c *call) done(status int) error {
	c.w.WriteHeader(status)
	return nil
}
