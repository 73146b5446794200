package openfaas

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// textOf is what a client prints of an error: every mistake on a line of its
// own, else the message and what the function printed, then what to do.
func textOf(err error) string {
	var lines []string
	for _, m := range fn.MistakesOf(err) {
		lines = append(lines, m.Error())
	}
	hint := fn.Hint(err)
	if f, ok := errors.AsType[*fn.Failure](err); ok && len(lines) == 0 {
		lines = append(append(lines, f.Message), f.Output...)
		if hint == "" {
			hint = f.Hint
		}
	}
	if len(lines) == 0 {
		lines = append(lines, err.Error())
	}
	if hint != "" {
		lines = append(lines, hint)
	}
	return strings.ToValidUTF8(strings.Join(lines, "\n"), "\uFFFD")
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := fn.Status(fn.KindOfCall(err))
	level := a.Log.Debug
	if status == http.StatusInternalServerError {
		level = a.Log.Error
	}
	level("management request failed", "method", r.Method, "path", r.URL.Path, "status", status, "error", err)
	if odd, ok := errors.AsType[statusError](err); ok {
		status = odd.status
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="Restricted"`)
		writeText(w, status, "invalid credentials")
		return
	}
	writeText(w, status, textOf(err))
}

// statusError is an error that these clients know by a status that its kind
// does not have.
type statusError struct {
	status int
	error
}

func (e statusError) Unwrap() error { return e.error }

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // fails only if the client has left
}
