package async

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/queue"
)

// keptHead is how much of a failure's body is kept for its reason.
const keptHead = 16 << 10

// answer is the http.ResponseWriter of one delivery: it keeps status and
// header, the beginning of the body of a failure, and of any body as much as
// the callback may have. It belongs to the goroutine of the delivery.
type answer struct {
	header http.Header
	status int    // 0: no head yet
	begun  []byte // the first bytes of a failure's body
	spool  *spool // nil: nobody wants the body
	failed string // set if no answer of the function came: why
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. Interim responses are of no use
// here.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
		a.header = a.header.Clone() // what comes later is not part of it
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.status >= 400 && len(a.begun) < keptHead {
		a.begun = append(a.begun, p[:min(len(p), keptHead-len(a.begun))]...)
	}
	if a.spool != nil {
		a.spool.write(p)
	}
	return len(p), nil
}

// Flush implements http.Flusher: there is nobody to flush to.
func (a *answer) Flush() {}

// fail notes that there is no answer of the function.
func (a *answer) fail(status int, why string) {
	a.status, a.failed, a.begun, a.header = status, why, nil, make(http.Header)
	if a.spool != nil {
		a.spool.close()
		a.spool = &spool{dir: a.spool.dir, most: a.spool.most}
	}
}

// platform reports whether the platform failed the call, not the function: a
// function cannot set X-Rouse-Cause, and what sets X-OpenFaaS-Internal is a
// proxy in front of it.
func (a *answer) platform() bool {
	return a.failed != "" || a.status >= 400 && (a.cause() != "" || a.header.Get("X-OpenFaaS-Internal") != "")
}

// cause is the platform's short code for what went wrong.
func (a *answer) cause() string { return a.header.Get("X-Rouse-Cause") }

// reason says why the try failed: the status, then what the platform knows or
// how the function's answer begins.
func (a *answer) reason() string {
	text := a.failed
	var told api.ErrorBody
	switch {
	case text != "":
	case a.platform() && json.Unmarshal(a.begun, &told) == nil && told.Error != nil:
		parts := append([]string{told.Error.Message}, told.Error.Exit)
		text = strings.TrimSpace(strings.Join(parts, " "))
		if len(told.Error.Output) > 0 {
			text += "\n" + strings.Join(told.Error.Output, "\n")
		}
	default:
		text = strings.TrimSpace(string(a.begun[:min(len(a.begun), 512)]))
	}
	text = strings.ToValidUTF8(fmt.Sprintf("status %d: %s", a.status, text), "\uFFFD")
	return text[:min(len(text), queue.MaxReason)]
}
