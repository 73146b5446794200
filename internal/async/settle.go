package async

import (
	"context"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// settle makes a verdict count: first what it publishes is durable, then the
// message is done with. A crash in between means another try, nothing lost.
func (e *Engine) settle(ctx context.Context, d *delivery, v *verdict) {
	if v.void {
		return
	}
	err := e.publish(ctx, d, v.publish)
	if err == nil {
		err = e.insist(ctx, func(ctx context.Context) error {
			return e.cfg.Queue.Settle(ctx, queue.Outcome{
				Stream: d.Stream, Seq: d.Seq, Lease: d.Lease, Action: v.action, At: v.at, Reason: v.reason,
			})
		})
	}
	switch {
	case err == nil:
		if v.action == queue.Bury {
			e.cfg.Log.Warn("an asynchronous call was put aside", "stream", d.Stream, "call", d.ID, "attempts", d.Attempt, "reason", firstLine(v.reason))
		}
	case fn.KindOf(err) == fn.Conflict: // cancelled, or taken over
		e.cfg.Log.Debug("the end of an asynchronous call came too late", "stream", d.Stream, "call", d.ID)
	default:
		e.cfg.Log.Error("the end of an asynchronous call cannot be written down, it will be tried again", "stream", d.Stream, "call", d.ID, "error", err)
	}
}

// publish makes results durable. One that is too large for the queue is cut
// off; one that can never be kept is given up, so that the call ends.
func (e *Engine) publish(ctx context.Context, d *delivery, ms []queue.Message) error {
	if len(ms) == 0 {
		return nil
	}
	err := e.insist(ctx, func(ctx context.Context) error { return e.cfg.Queue.Publish(ctx, ms...) })
	if kind := fn.KindOf(err); err != nil && (kind == fn.TooLarge || kind == fn.Invalid) {
		e.cfg.Log.Error("the result of a call cannot be kept, there will be no callback", "stream", d.Stream, "call", d.ID, "error", err)
		return nil
	}
	return err
}

// insist tries until it works, or cannot work, or the server's patience is
// over: a full disk must not make a call that is done with run again. The
// lease is kept meanwhile.
func (e *Engine) insist(ctx context.Context, try func(context.Context) error) error {
	const longest = 5 * time.Second
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, longest) {
		err := try(context.WithoutCancel(ctx)) // it is quick, and must be whole
		if err == nil || ctx.Err() != nil {
			return err
		}
		switch fn.KindOf(err) {
		case fn.Conflict, fn.Invalid, fn.TooLarge, fn.NotFound, fn.Unavailable:
			return err
		}
		sleep(ctx, pause)
	}
}

func firstLine(s string) string {
	for i := range len(s) {
		if s[i] == '\n' {
			return s[:i]
		}
	}
	return s
}
