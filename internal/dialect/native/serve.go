package native

import (
	"encoding/json"
	"net/http"
	"reflect"

	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/fn"
)

// Media types of bodies.
const (
	jsonType   = "application/json"
	ndjsonType = "application/x-ndjson"
	gzipType   = "application/gzip"
	bytesType  = "application/octet-stream"
)

// none is the type of a body that is not there, or has no schema.
type none struct{}

// handler is how a route is answered, with the types of its bodies.
type handler struct {
	request, response   reflect.Type // nil if there is no body
	requestAs, answerAs string       // media types; "" if there is no body
	status              int          // of an answer that worked
	serve               func(*call) error
}

func (h handler) answers(status int) handler { h.status = status; return h }

// call is one request on its way through a handler. It belongs to the
// goroutine that serves it.
type call struct {
	*API
	w      http.ResponseWriter
	r      *http.Request
	route  *route
	who    auth.Identity
	ref    fn.Ref      // from {namespace} and {name}; "" where the path has none
	wrong  fn.Mistakes // in the query; see query
	status int
}

// serveJSON makes a handler that decodes a Req, calls f and encodes the Resp.
// It owns limits, unknown fields and statuses, so that f is only the deed.
func serveJSON[Req, Resp any](f func(*call, Req) (Resp, error)) handler {
	h := bodies[Req, Resp](jsonType, jsonType)
	h.serve = func(c *call) error {
		var req Req
		if h.request != nil {
			if err := decode(c.w, c.r, &req); err != nil {
				return err
			}
		}
		resp, err := f(c, req)
		if err != nil {
			return err
		}
		if h.response == nil {
			c.w.WriteHeader(http.StatusNoContent)
			return nil
		}
		writeJSON(c.w, c.status, resp)
		return nil
	}
	if h.response == nil {
		h.status = http.StatusNoContent
	}
	return h
}

// serveStream makes a handler that decodes a Req and answers lines of Event.
func serveStream[Req, Event any](f func(*call, Req, *lines) error) handler {
	h := bodies[Req, Event](jsonType, ndjsonType)
	h.serve = func(c *call) error {
		var req Req
		if h.request != nil {
			if err := decode(c.w, c.r, &req); err != nil {
				return err
			}
		}
		out := newLines(c.w)
		defer out.end()
		return f(c, req, out)
	}
	return h
}

// serveRaw makes a handler that answers by itself.
func serveRaw[Req, Resp any](answerAs string, f func(*call) error) handler {
	h := bodies[Req, Resp](jsonType, answerAs)
	h.answerAs, h.serve = answerAs, f
	return h
}

// upload makes a handler that takes a body of bytes and answers JSON.
func upload[Resp any](f func(*call) (Resp, error)) handler {
	h := serveJSON(func(c *call, _ none) (Resp, error) { return f(c) })
	h.requestAs = gzipType
	return h
}

func bodies[Req, Resp any](requestAs, answerAs string) handler {
	h := handler{status: http.StatusOK}
	if t := reflect.TypeFor[Req](); t != reflect.TypeFor[none]() {
		h.request, h.requestAs = t, requestAs
	}
	if t := reflect.TypeFor[Resp](); t != reflect.TypeFor[none]() {
		h.response, h.answerAs = t, answerAs
	}
	return h
}

// serve wraps a route: who asks, whether they may, whether the path and query
// have the right form, then the handler; one place turns errors into answers.
func (a *API) serve(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		c := &call{API: a, w: w, r: r, route: &rt, status: rt.status}
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
	c.ref = fn.Ref{Namespace: c.r.PathValue("namespace"), Name: c.r.PathValue("name")}
	if c.route.access != auth.Public {
		who, err := c.Identify(c.r)
		if err != nil {
			return err
		}
		if who.Name == "" {
			return fn.WithHint(fn.Errorf(fn.Unauthenticated, "this needs an account"),
				"send user admin with the password in the file admin-password of the server's data folder")
		}
		c.who = who
		if !auth.Allow(who, c.route.access, c.ref.Namespace) {
			return c.denied()
		}
	}
	return c.checkForm()
}

func (c *call) denied() error {
	where := ""
	if c.ref.Namespace != "" {
		where = " in namespace " + clip(c.ref.Namespace)
	}
	return fn.WithHint(fn.Errorf(fn.Denied, "account %s may not do this: it needs the role %v%s", c.who.Name, c.route.access, where),
		"ask an administrator for a role that may, or use an account that has it")
}

// checkForm notes what is wrong with names in the path and with the query.
// Handlers that have parameters report them together with their values.
func (c *call) checkForm() error {
	var ms fn.Mistakes
	for _, part := range []struct{ field, name string }{{"namespace", c.ref.Namespace}, {"name", c.ref.Name}} {
		if err := fn.ValidateName(part.field, part.name); err != nil && c.has(part.field) {
			ms = append(ms, err)
		}
	}
	c.unknownParams()
	if len(c.route.query) == 0 || len(ms) > 0 {
		ms = append(ms, c.wrong...)
	}
	return ms.Err()
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, status := errorOf(err), statusOf(err)
	level := a.Log.Debug
	if status == http.StatusInternalServerError {
		level = a.Log.Error
	}
	level("management request failed", "method", r.Method, "path", r.URL.Path, "status", status, "error", err)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="rouse", charset="UTF-8"`)
	}
	writeError(w, status, e)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // fails only if the client has left
}
