package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/route"
)

func noName() *fn.Failure {
	return &fn.Failure{
		Kind: fn.NotFound, Phase: fn.PhaseRoute, Cause: "no-such-function",
		Message: "the address does not name a function",
		Hint:    "call " + prefix + "NAME or " + prefix + "NAME.NAMESPACE; names are lower-case letters, digits and '-'",
	}
}

// causeMethod is the cause of a call with a method that functions are not
// called with.
const causeMethod = "bad-method"

func badMethod(method []byte) *fn.Failure {
	return &fn.Failure{
		Kind: fn.Invalid, Phase: fn.PhaseRoute, Cause: causeMethod,
		Message: fmt.Sprintf("%.20q is not a method functions are called with", method),
		Hint:    "use GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS; any other works at the function's own host name",
	}
}

// status is the HTTP status of a failure.
func status(f *fn.Failure) int {
	if f.Cause == causeMethod {
		return http.StatusMethodNotAllowed
	}
	return fn.Status(f)
}

func noFunction(t *target) *fn.Failure {
	return &fn.Failure{
		Kind: fn.NotFound, Phase: fn.PhaseRoute, Cause: "no-such-function",
		Message: fmt.Sprintf("there is no function %s in namespace %s", t.name, t.namespace),
		Hint:    "see rouse list; deploy it with rouse deploy",
	}
}

func noRevision(ref fn.Ref) *fn.Failure {
	return &fn.Failure{
		Kind: fn.Unavailable, Phase: fn.PhaseRoute, Cause: "no-ready-revision",
		Message: fmt.Sprintf("no revision of %s has become ready", ref),
		Hint:    "see rouse describe " + ref.Name,
	}
}

func badResponse(ref fn.Ref, err error, phase fn.Phase) *fn.Failure {
	return &fn.Failure{
		Kind: fn.Failed, Phase: phase, Cause: "bad-response",
		Message: fmt.Sprintf("%s answered with something that is not HTTP/1.1: %v", ref, err),
		Hint:    "see rouse logs " + ref.Name,
	}
}

func badBody(err error) *fn.Failure {
	return &fn.Failure{
		Kind: fn.Invalid, Phase: fn.PhaseRun, Cause: "bad-request-body",
		Message: fmt.Sprintf("the request body is not what HTTP/1.1 allows: %v", err),
	}
}

func tooSlow(e *route.Entry, phase fn.Phase) *fn.Failure {
	f := &fn.Failure{
		Kind: fn.Timeout, Phase: phase, Cause: "deadline",
		Message: fmt.Sprintf("%s did not answer within %v", e.Ref, e.Timeout),
		Hint:    "make it faster, or raise limits.timeout",
		Limit:   fmt.Sprintf("limits.timeout=%v", e.Timeout),
	}
	if phase == fn.PhaseReply {
		f.Message = fmt.Sprintf("%s did not finish its answer within %v", e.Ref, e.Timeout)
	}
	return f
}

func clientLeft(phase fn.Phase) *fn.Failure {
	return &fn.Failure{Kind: fn.Canceled, Phase: phase, Cause: "client-left", Message: "the client left"}
}

func shuttingDown() *fn.Failure {
	return &fn.Failure{
		Kind: fn.Unavailable, Phase: fn.PhaseQueue, Cause: "shutting-down",
		Message: "the server is shutting down", Hint: "try again in a moment",
	}
}

func asFailure(err error, phase fn.Phase) *fn.Failure {
	if f, ok := errors.AsType[*fn.Failure](err); ok {
		return f
	}
	return &fn.Failure{Kind: fn.KindOf(err), Phase: phase, Cause: "not-admitted", Message: err.Error(), Hint: fn.Hint(err)}
}

// refusal is a platform's own answer, ready for either front end.
type refusal struct {
	status int
	fields [][2]string
	body   []byte
}

// refusal renders a failure of the call.
func (x *call) refusal(f *fn.Failure, status int) refusal {
	text, t := string(x.label.bytes()), &x.inv.Timing
	body, err := json.Marshal(api.ErrorBody{Error: &api.Error{
		Kind: string(f.Kind), Message: f.Message, Hint: f.Hint, Phase: string(f.Phase), Cause: f.Cause,
		Exit: f.Exit, Limit: f.Limit, CallID: text, Output: f.Output,
	}})
	if err != nil {
		panic("gateway: an api.Error cannot be marshalled: " + err.Error())
	}
	r := refusal{status: status, body: append(body, '\n')}
	r.add("Content-Type", "application/json")
	r.add("Cache-Control", "no-store")
	r.add("X-Call-Id", text)
	r.add("X-Start-Time", strconv.FormatInt(x.inv.Began.UnixNano(), 10))
	r.add("X-Served-By", x.s.cfg.Product)
	r.add("X-OpenFaaS-Internal", "gateway") // tells the platform's answers from the function's
	r.add("X-Rouse-Phase", string(f.Phase))
	r.add("X-Rouse-Cause", f.Cause)
	r.add("X-Rouse-Hint", f.Hint)
	if after := retryAfter(f); after > 0 {
		r.add("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	if t.Queue+t.Start+t.Init > 0 {
		r.add("X-Rouse-Timing", string(appendTiming(nil, t)))
	}
	return r
}

// add adds a field; control characters of its value become spaces.
func (r *refusal) add(name, value string) {
	if value == "" {
		return
	}
	value = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, value)
	r.fields = append(r.fields, [2]string{name, value})
}

// retryAfter is when trying again may help; 0 if that is not known to help.
func retryAfter(f *fn.Failure) time.Duration {
	switch {
	case f.RetryAfter > 0:
		return f.RetryAfter
	case f.Kind == fn.Exhausted, f.Kind == fn.Unavailable:
		return time.Second
	}
	return 0
}

// appendTiming appends the cold phases in milliseconds: "queue=1.2;start=3.4;init=10.1".
func appendTiming(b []byte, t *fn.Timing) []byte {
	for _, p := range [...]struct {
		name string
		d    time.Duration
	}{{"queue=", t.Queue}, {";start=", t.Start}, {";init=", t.Init}} {
		b = append(b, p.name...)
		b = strconv.AppendFloat(b, float64(p.d.Microseconds())/1000, 'f', 1, 64)
	}
	return b
}
