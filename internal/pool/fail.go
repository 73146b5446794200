package pool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

var errStartDeadline = errors.New("start deadline passed")

func shuttingDown() *fn.Failure {
	return &fn.Failure{
		Kind: fn.Unavailable, Phase: fn.PhaseQueue, Cause: "shutting-down",
		Message: "the server is shutting down", Hint: "try again in a moment",
	}
}

// holdable is the longest back-off that a call is held for, not refused.
const holdable = time.Second

// refuseLocked says why a call cannot be held, or nil.
func (g *group) refuseLocked(now time.Time) *fn.Failure {
	switch {
	case g.p.closing.Load():
		return shuttingDown()
	case len(g.waiters) >= g.launch.Policy.Scale.Queue:
		return &fn.Failure{
			Kind: fn.Exhausted, Phase: fn.PhaseQueue, Cause: "queue-full",
			Message: fmt.Sprintf("%s has %d calls waiting already", g.rev.Ref, len(g.waiters)),
			Hint:    "slow down, or raise scale.max, scale.concurrency or scale.queue",
			Limit:   fmt.Sprintf("scale.queue=%d", g.launch.Policy.Scale.Queue),
		}
	case g.liveLocked() == 0 && g.notBefore.Sub(now) > holdable && g.lastFail != nil:
		f := *g.lastFail
		wait := g.notBefore.Sub(now)
		f.Kind, f.Phase = fn.Unavailable, fn.PhaseStart
		f.Cause = "crash-loop"
		f.Message = fmt.Sprintf("%s failed %d times in a row and is started again in %v; last: %s",
			g.rev.Ref, g.fails, wait.Round(time.Millisecond), g.lastFail.Message)
		f.Hint = fmt.Sprintf("see rouse logs %s; deploy a fix or roll back", g.rev.Name)
		f.RetryAfter = time.Duration(math.Ceil(wait.Seconds())) * time.Second
		return &f
	}
	return nil
}

// gaveUp explains why a held call was not served within its context.
func (g *group) gaveUp(ctx context.Context, began time.Time) *fn.Failure {
	cause := context.Cause(ctx)
	g.mu.Lock()
	starting, live, last := g.starting, len(g.insts), g.lastFail
	g.mu.Unlock()
	f := &fn.Failure{
		Kind: fn.Timeout, Phase: fn.PhaseQueue, Cause: "queue-deadline", Err: cause,
		Message: fmt.Sprintf("%s had no free slot within %v (%d instances, %d starting)",
			g.rev.Ref, time.Since(began).Round(time.Millisecond), live, starting),
		Hint: "raise scale.max or scale.concurrency, or make the function faster",
	}
	if live == 0 && starting > 0 {
		f.Phase, f.Cause = fn.PhaseStart, "start-slower-than-deadline"
		f.Hint = "raise limits.timeout, or keep an instance with scale.min=1"
	}
	if live == 0 && starting == 0 && last != nil {
		f.Phase, f.Output, f.Exit = last.Phase, last.Output, last.Exit
	}
	var fail *fn.Failure
	switch {
	case errors.As(cause, &fail):
		return fail
	case errors.Is(cause, fn.Canceled), errors.Is(cause, context.Canceled):
		f.Kind, f.Cause, f.Message, f.Hint = fn.Canceled, "client-left", "the caller left while the call was held", ""
	}
	return f
}

// endedByUs reports whether a start's context ended because the pool does.
func endedByUs(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), errStartDeadline)
}

// cannotStart explains an engine that refused to start an instance.
func (g *group) cannotStart(ctx context.Context, err error) *fn.Failure {
	if endedByUs(ctx) {
		return shuttingDown()
	}
	if f, ok := errors.AsType[*fn.Failure](err); ok {
		return f
	}
	f := &fn.Failure{
		Kind: fn.Unavailable, Phase: fn.PhaseStart, Cause: "cannot-start", Err: err,
		Message: fmt.Sprintf("%s cannot be started", g.rev.Ref), Hint: fn.Hint(err),
	}
	if f.Hint == "" {
		f.Hint = "run rouse doctor to see what this host allows"
	}
	if errors.Is(context.Cause(ctx), errStartDeadline) {
		f.Cause, f.Limit = "start-deadline", fmt.Sprintf("limits.start=%v", g.launch.Policy.Limits.Start)
	}
	return f
}

// neverReady explains a program that was started and never answered. cause is
// nil if it ended.
func (g *group) neverReady(ctx context.Context, i *instance, cause error) *fn.Failure {
	if cause == nil {
		f := g.exitFailure(i, i.box.Exit(), fn.PhaseInit)
		f.Kind = fn.Unavailable
		return f
	}
	if endedByUs(ctx) {
		return shuttingDown()
	}
	limit := g.launch.Policy.Limits.Start
	where := "did not answer"
	hint := "make it start faster, or raise limits.start"
	if g.launch.Program.Listen == fn.ListenPort {
		where = "did not listen on $PORT"
		hint = "listen on the port in the variable PORT, on 127.0.0.1 or 0.0.0.0; or raise limits.start"
	}
	f := &fn.Failure{
		Kind: fn.Unavailable, Phase: fn.PhaseInit, Cause: "start-deadline",
		Message: fmt.Sprintf("%s %s within %v", g.rev.Ref, where, limit), Hint: hint,
		Output: g.p.cfg.Logs.Last(i.id), Limit: fmt.Sprintf("limits.start=%v", limit),
	}
	if !errors.Is(context.Cause(ctx), errStartDeadline) {
		f.Cause, f.Err = "not-ready", cause
		f.Message = fmt.Sprintf("%s started but cannot be spoken to", g.rev.Ref)
	}
	return f
}

// exitFailure explains an instance that ended.
func (g *group) exitFailure(i *instance, exit engine.Exit, phase fn.Phase) *fn.Failure {
	f := &fn.Failure{
		Kind: fn.Failed, Phase: phase, Cause: "exited",
		Message: fmt.Sprintf("%s ended: %s", g.rev.Ref, describeExit(exit)),
		Hint:    fmt.Sprintf("see rouse logs %s", g.rev.Name),
		Output:  g.p.cfg.Logs.Last(i.id), Exit: describeExit(exit), Limit: exit.Limit,
	}
	if exit.OOM {
		f.Cause = "oom"
		f.Message = fmt.Sprintf("%s ran out of memory (limit %s)", g.rev.Ref, fn.FormatBytes(g.launch.Policy.Limits.Memory))
		f.Hint = "raise limits.memory, or use less"
	}
	return f
}

// explain says why a call on i broke off with err.
func (g *group) explain(ctx context.Context, i *instance, err error, phase fn.Phase) *fn.Failure {
	if i.endsSoon(ctx) {
		return g.exitFailure(i, i.box.Exit(), phase)
	}
	return &fn.Failure{
		Kind: fn.Failed, Phase: phase, Cause: "broken-connection", Err: err,
		Message: fmt.Sprintf("%s closed the connection before its answer was complete", g.rev.Ref),
		Hint:    fmt.Sprintf("see rouse logs %s", g.rev.Name),
		Output:  g.p.cfg.Logs.Last(i.id),
	}
}

// describeExit says in words how an instance ended.
func describeExit(e engine.Exit) string {
	switch {
	case e.OOM:
		return "out of memory"
	case e.Signal != "":
		return "signal: " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}
