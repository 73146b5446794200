package async

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// delivery is one try of one message.
type delivery struct {
	queue.Delivery
	lane  *lane
	f     fn.Function // what is stored of the function
	known bool        // false: the function is gone
	began time.Time
}

// verdict is what a try led to.
type verdict struct {
	action  queue.Action
	void    bool            // the message is nobody's business any more: say nothing
	at      time.Time       // of a retry
	reason  string          // of a retry, of a dead letter
	publish []queue.Message // before the outcome counts
	large   bool            // publish has a place among the large results
	busy    bool            // the other side could not take it
	after   time.Duration   // what it asked for
}

func (e *Engine) deliver(ctx context.Context, d *delivery) {
	var v verdict
	if d.lane.post {
		v = e.post(ctx, d)
	} else {
		e.totals.began(d)
		v = e.call(ctx, d)
		e.totals.ended(d, &v)
	}
	e.judge(d, &v)
	e.settle(ctx, d, &v)
	if v.large {
		<-e.large
	}
}

// judge tells the window what happened.
func (e *Engine) judge(d *delivery, v *verdict) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case v.busy:
		d.lane.window.busy(d.began, time.Now(), v.after)
	case !v.void:
		d.lane.window.took()
	}
}

// goneTries is after how many tries a call of a function that is not there is
// given up: a deploy that replaces a function removes it first.
const goneTries = 3

// call has the function called, once.
func (e *Engine) call(ctx context.Context, d *delivery) verdict {
	h, err := readHead(d.Head)
	if err != nil {
		return verdict{action: queue.Bury, reason: err.Error()}
	}
	if !h.While.holds(d) {
		return verdict{action: queue.Ack}
	}
	retry, _ := e.cfg.Retry.of(d.f.Annotations)
	a := &answer{header: make(http.Header)}
	if h.Callback != "" {
		a.spool = &spool{dir: e.cfg.Tmp, most: e.cfg.MaxResult}
		defer a.spool.close()
	}
	if !d.known {
		retry.Attempts = min(retry.Attempts, goneTries)
		a.fail(http.StatusNotFound, fmt.Sprintf("the function %s is gone", d.f.Ref))
	} else {
		e.invoke(ctx, d, &h, a)
	}
	if v, broken := e.brokenOff(ctx, a); broken {
		return v
	}
	v := e.weigh(d, &retry, a)
	if h.Callback != "" && v.action != queue.Retry {
		v.large = e.roomFor(ctx, a)
		m, err := e.result(d, &h, &retry, a)
		if err != nil {
			e.cfg.Log.Error("the result of a call cannot be kept, there will be no callback", "function", d.f.Ref.String(), "call", d.ID, "error", err)
			return v
		}
		v.publish = append(v.publish, m)
	}
	return v
}

// roomFor waits until a result may be read into memory. It reports whether it
// has taken a place in large. When the server's patience is over nothing waits
// any more.
func (e *Engine) roomFor(ctx context.Context, a *answer) bool {
	if a.spool.size <= spoolMemory {
		return false
	}
	select {
	case e.large <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// brokenOff reports whether the call was ended from outside, and what that
// means.
func (e *Engine) brokenOff(ctx context.Context, a *answer) (verdict, bool) {
	if a.cause() == "shutting-down" {
		return verdict{action: queue.Retry, at: time.Now(), reason: "the server stopped"}, true
	}
	cause := context.Cause(ctx)
	if cause == nil || a.status != 0 && !a.platform() {
		return verdict{}, false
	}
	if errors.Is(cause, errStopping) {
		return verdict{action: queue.Retry, at: time.Now(), reason: "the server stopped before the call was over"}, true
	}
	return verdict{void: true}, true
}

// weigh decides what becomes of a call that was answered, or failed.
func (e *Engine) weigh(d *delivery, retry *Retry, a *answer) verdict {
	if !a.platform() && !slices.Contains(retry.Codes, a.status) {
		return verdict{action: queue.Ack}
	}
	after := retryAfter(a.status, a.header, time.Now())
	v := verdict{
		reason: a.reason(), after: after,
		busy: a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable && a.platform(),
	}
	if d.Attempt >= retry.Attempts {
		v.action = queue.Bury
		return v
	}
	v.action, v.at = queue.Retry, time.Now().Add(retry.wait(d.Attempt, after, e.cfg.Random()))
	return v
}

// invoke calls the function in this process.
func (e *Engine) invoke(ctx context.Context, d *delivery, h *head, a *answer) {
	defer func() {
		switch bug := recover(); bug {
		case nil:
			if ctx.Err() == nil {
				a.WriteHeader(http.StatusOK) // what handlers mean that say nothing
			}
		case http.ErrAbortHandler: // the answer broke off
			a.fail(http.StatusBadGateway, "the answer broke off")
		default:
			e.cfg.Log.Error("a bug in the path of calls", "function", d.f.Ref.String(), "call", d.ID, "bug", bug, "stack", string(debug.Stack()))
			a.fail(http.StatusInternalServerError, "a bug of the server ended the call")
		}
	}()
	r, err := request(ctx, d, h, e.cfg.Agent)
	if err != nil {
		a.fail(http.StatusBadRequest, err.Error())
		return
	}
	e.cfg.Invoker.Invoke(a, r)
}

// request makes the request of a call as if it had arrived over HTTP.
func request(ctx context.Context, d *delivery, h *head, agent string) (*http.Request, error) {
	target := "/function/" + d.f.Name + "." + d.f.Namespace + h.Path
	if h.Query != "" {
		target += "?" + h.Query
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, fmt.Errorf("the path of the call cannot be read: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, h.Method, "http://localhost/", io.NopCloser(bytes.NewReader(d.Body)))
	if err != nil {
		return nil, fmt.Errorf("the method of the call cannot be used: %w", err)
	}
	r.URL, r.RequestURI, r.RemoteAddr, r.ContentLength = u, target, h.From, int64(len(d.Body))
	if len(d.Body) == 0 {
		r.Body = http.NoBody
	}
	if h.Host != "" {
		r.Host = h.Host
	}
	r.Header = h.Header
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	r.Header.Set("X-Call-Id", d.ID)
	r.Header.Set("Content-Length", strconv.Itoa(len(d.Body)))
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", agent)
	}
	return r, nil
}
