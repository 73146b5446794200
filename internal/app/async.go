package app

import (
	"context"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/observe"
	"rouse.dev/rouse/internal/pool"
	"rouse.dev/rouse/internal/timer"
)

// makeAsync makes what calls functions for callers who do not wait.
func (w *parts) makeAsync(version string) error {
	c := &w.cfg.Async
	retry := async.Retry{Attempts: c.Attempts, MinWait: c.MinWait, MaxWait: c.MaxWait, Jitter: async.Jitter(c.Backoff)}
	for _, text := range c.RetryCodes {
		code, err := strconv.Atoi(text)
		if err != nil {
			return fn.Errorf(fn.Invalid, "async.retryCodes: %w", err)
		}
		retry.Codes = append(retry.Codes, code)
	}
	callback := async.Callback{Timeout: c.CallbackTimeout}
	if t, ok := w.addr.(*net.TCPAddr); ok {
		callback.Self = t.AddrPort()
	}
	var err error
	if callback.Allowed, err = prefixes("async.callbackNetworks", c.CallbackNetworks); err != nil {
		return err
	}
	w.async = async.New(async.Config{
		Queue: w.queue, Functions: functions{w.control, w.pool}, Invoker: invoker{w}, Log: w.part("async"),
		MaxBody: int64(c.MaxBody), MaxResult: int64(c.MaxResult), MaxHeld: int64(c.MaxHeld), AtOnce: c.AtOnce, Grace: w.cfg.Pool.DrainGrace,
		KeepDead: c.KeepDead, Retry: retry, Callback: callback, Tmp: w.dir.Tmp(), Agent: "rouse/" + version,
	})
	w.timer = timer.New(timer.Config{Source: w.control, Calls: w.async, Log: w.part("timer")})
	return nil
}

// prefixes reads the networks of a setting.
func prefixes(setting string, texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fn.Errorf(fn.Invalid, "%s: %w", setting, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// functions tells the asynchronous calls of functions.
type functions struct {
	control *control.Controller
	pool    *pool.Pool
}

// Stored implements async.Functions.
func (f functions) Stored(ctx context.Context, ref fn.Ref) (fn.Function, error) {
	return f.control.Stored(ctx, ref)
}

// Load implements async.Functions.
func (f functions) Load(ref fn.Ref) int {
	n := 0
	for _, s := range f.pool.Stats(ref) {
		n += s.InFlight + s.Held
	}
	return n
}

// invoker is the gateway, which is made after those who call through it.
type invoker struct{ w *parts }

// Invoke implements async.Invoker.
func (i invoker) Invoke(w http.ResponseWriter, r *http.Request) { i.w.gateway.Invoke(w, r) }

// rows shows the asynchronous calls to the metrics.
type rows struct{ *async.Engine }

// Queues implements observe.Queues.
func (q rows) Queues() iter.Seq[observe.Queue] {
	return func(yield func(observe.Queue) bool) {
		for _, t := range q.Totals() {
			row := observe.Queue{
				Ref: t.Ref, Name: t.Queue, Pending: t.Pending, InFlight: t.InFlight, Submitted: t.Submitted, Processed: t.Processed,
			}
			if !yield(row) {
				return
			}
		}
	}
}
