package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"rouse.dev/rouse/api"
)

// maxError is the most that is read of an error's body.
const maxError = 256 << 10

// readError makes the *api.Error of a response. Where the body is none, a
// proxy in between answered: its status and words are passed on.
func readError(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxError)) // what came before a failure is all there is
	var body api.ErrorBody
	if err := json.Unmarshal(text, &body); err == nil && body.Error != nil && body.Error.Kind != "" {
		return body.Error
	}
	e := &api.Error{Kind: kindOf(resp.StatusCode), Message: "the server answered " + resp.Status}
	if words := strings.Join(strings.Fields(string(text)), " "); words != "" && utf8.ValidString(words) {
		if len(words) > 200 {
			words = strings.ToValidUTF8(words[:200], "") + "…"
		}
		e.Message += fmt.Sprintf(": %s", words)
	}
	e.Hint = "this is not how Rouse answers: check the URL, and what stands between"
	return e
}

// kindOf guesses the kind of an error that says none.
func kindOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "unauthenticated"
	case http.StatusForbidden:
		return "denied"
	case http.StatusNotFound:
		return "not-found"
	case http.StatusConflict:
		return "conflict"
	case http.StatusRequestEntityTooLarge:
		return "too-large"
	case http.StatusTooManyRequests:
		return "exhausted"
	case http.StatusInsufficientStorage:
		return "no-room"
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusGatewayTimeout:
		return "timeout"
	}
	if status >= 400 && status < 500 {
		return "invalid"
	}
	return "internal"
}
