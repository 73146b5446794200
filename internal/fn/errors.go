package fn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind classifies an error by what the caller can do about it. A Kind is
// itself an error, so errors.Is(err, fn.NotFound) works on anything that wraps
// one.
type Kind string

// The kinds. Each has one HTTP status and one CLI exit code (see Status,
// ExitCode); nothing else in the program maps errors to either.
const (
	Invalid         Kind = "invalid"         // the request can never work as sent
	Unauthenticated Kind = "unauthenticated" // who are you?
	Denied          Kind = "denied"          // known, but not allowed
	NotFound        Kind = "not-found"       // no such object
	Conflict        Kind = "conflict"        // the object changed, or exists already
	TooLarge        Kind = "too-large"       // over a size limit
	Exhausted       Kind = "exhausted"       // a limit or queue is full; later may work
	NoRoom          Kind = "no-room"         // the disk, or what is kept on it for later, is full: nothing was accepted
	Unavailable     Kind = "unavailable"     // the function cannot be started or reached now
	Failed          Kind = "failed"          // the function was reached and broke the call
	Timeout         Kind = "timeout"         // the deadline passed
	Canceled        Kind = "canceled"        // the caller left, or we are shutting down
	Internal        Kind = "internal"        // a bug or a broken host
)

// Error returns the kind's name.
func (k Kind) Error() string { return string(k) }

// kinds is the one table from kind to HTTP status and process exit code.
var kinds = map[Kind]struct{ status, exit int }{
	Invalid:         {http.StatusBadRequest, 2},
	Unauthenticated: {http.StatusUnauthorized, 3},
	Denied:          {http.StatusForbidden, 3},
	NotFound:        {http.StatusNotFound, 4},
	Conflict:        {http.StatusConflict, 5},
	TooLarge:        {http.StatusRequestEntityTooLarge, 6},
	Exhausted:       {http.StatusTooManyRequests, 7},
	NoRoom:          {http.StatusInsufficientStorage, 12},
	Unavailable:     {http.StatusServiceUnavailable, 8},
	Failed:          {http.StatusBadGateway, 9},
	Timeout:         {http.StatusGatewayTimeout, 10},
	Canceled:        {499, 11}, // the status nginx made customary for "client closed request"
	Internal:        {http.StatusInternalServerError, 1},
}

// KindOf returns the kind that err wraps, or Internal if it wraps none.
func KindOf(err error) Kind {
	if k, ok := errors.AsType[Kind](err); ok {
		return k
	}
	return Internal
}

// KindOfCall is KindOf for the error of a whole call, which may be its context's
// own: Timeout or Canceled then.
func KindOfCall(err error) Kind {
	kind := KindOf(err)
	switch {
	case kind != Internal:
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return kind
}

// Status returns the HTTP status for err's kind.
func Status(err error) int {
	if row, ok := kinds[KindOf(err)]; ok {
		return row.status
	}
	return http.StatusInternalServerError
}

// ExitCode returns the process exit code for err's kind; 0 for nil.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if row, ok := kinds[KindOf(err)]; ok {
		return row.exit
	}
	return 1
}

// Errorf makes an error of kind k. The format may wrap further errors with %w.
func Errorf(k Kind, format string, args ...any) error {
	return &kindError{kind: k, err: fmt.Errorf(format, args...)}
}

type kindError struct {
	kind Kind
	err  error
}

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// WithHint attaches one sentence that says what to do next. The hint is not
// part of err.Error(); Hint reads it.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hintError{error: err, hint: fmt.Sprintf(format, args...)}
}

type hintError struct {
	error
	hint string
}

func (e *hintError) Unwrap() error { return e.error }

// Hint returns the outermost hint attached to err, or "".
func Hint(err error) string {
	if h, ok := errors.AsType[*hintError](err); ok {
		return h.hint
	}
	return ""
}

// Phase names the part of a call's life in which something happened.
type Phase string

// The phases of a call, in order.
const (
	PhaseRoute Phase = "route" // finding the function
	PhaseQueue Phase = "queue" // waiting for a free slot
	PhaseStart Phase = "start" // making the sandbox, starting the program
	PhaseInit  Phase = "init"  // until the program answers
	PhaseRun   Phase = "run"   // the function at work, until its response head
	PhaseReply Phase = "reply" // streaming the response body
)

// Failure is a failed call or start that explains itself: the response, the
// record and the CLI all print from it. It wraps its Kind.
type Failure struct {
	Kind    Kind
	Phase   Phase
	Cause   string   // short fixed code: "no-such-function", "start-deadline", "exited", "oom", "queue-full", …
	Message string   // one sentence
	Hint    string   // what to do next, one sentence
	Output  []string // last lines the function printed, at most MaxFailureOutput
	Exit    string   // "exit status 3", "signal: killed", "out of memory (limit 128 MiB)"; "" if it runs
	Limit   string   // the limit that was hit, "memory=128Mi"; "" if none
	Err     error    // underlying error for logs; may be nil

	RetryAfter time.Duration // when trying again may help; 0 if unknown
}

// MaxFailureOutput is the largest number of output lines a Failure carries.
const MaxFailureOutput = 20

func (f *Failure) Error() string {
	if f.Err != nil {
		return f.Message + ": " + f.Err.Error()
	}
	return f.Message
}

// Unwrap returns the kind and the underlying error.
func (f *Failure) Unwrap() []error {
	if f.Err == nil {
		return []error{f.Kind}
	}
	return []error{f.Kind, f.Err}
}
