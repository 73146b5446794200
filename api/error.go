package api

// Error is how every failure is told: by the management API and by the
// gateway for calls the platform failed. On the wire it is wrapped in an
// ErrorBody; in a stream it is the last event's Error field.
type Error struct {
	// Kind classifies the error by what the caller can do about it: "invalid",
	// "unauthenticated", "denied", "not-found", "conflict", "too-large",
	// "exhausted", "no-room", "unavailable", "failed", "timeout", "canceled",
	// "internal".
	Kind    string `json:"kind"`
	Message string `json:"message"`          // one sentence
	Hint    string `json:"hint,omitempty"`   // what to do next, one sentence
	Phase   string `json:"phase,omitempty"`  // "route", "queue", "start", "init", "run", "reply"
	Cause   string `json:"cause,omitempty"`  // short fixed code: "no-such-function", "start-deadline", "oom" …
	Exit    string `json:"exit,omitempty"`   // how the function's program ended: "exit status 3"
	Limit   string `json:"limit,omitempty"`  // the limit that was hit: "memory=128Mi"
	CallID  string `json:"callId,omitempty"` // the call that failed
	// Output holds the last lines the function or its build printed.
	Output []string `json:"output,omitempty"`
	// Mistakes lists everything wrong with the request when there is more
	// than one thing; Message then sums them up.
	Mistakes []string `json:"mistakes,omitempty"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// ErrorBody is the body of every response that is an error.
type ErrorBody struct {
	Error *Error `json:"error"`
}
