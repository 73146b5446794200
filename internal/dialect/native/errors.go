package native

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/fn"
)

// statusOf is fn.Status, for errors of package context too.
func statusOf(err error) int { return fn.Status(fn.KindOfCall(err)) }

// errorOf turns an error into what a client sees.
func errorOf(err error) *api.Error {
	e := &api.Error{Kind: string(fn.KindOfCall(err)), Message: text(err.Error()), Hint: fn.Hint(err)}
	if f, ok := errors.AsType[*fn.Failure](err); ok {
		e.Message, e.Phase, e.Cause, e.Exit, e.Limit = text(f.Message), string(f.Phase), f.Cause, f.Exit, f.Limit
		for _, line := range f.Output {
			e.Output = append(e.Output, text(line))
		}
		if e.Hint == "" {
			e.Hint = f.Hint
		}
	}
	switch ms := fn.MistakesOf(err); len(ms) {
	case 0:
	case 1:
		e.Message = text(ms[0].Error())
	default:
		e.Message = fmt.Sprintf("%d things are wrong", len(ms))
		for _, m := range ms {
			e.Mistakes = append(e.Mistakes, text(m.Error()))
		}
	}
	return e
}

// text makes sure that what we were given can be JSON.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// writeError answers with an error body.
func writeError(w http.ResponseWriter, status int, e *api.Error) {
	writeJSON(w, status, api.ErrorBody{Error: e})
}
