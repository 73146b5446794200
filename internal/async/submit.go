package async

import (
	"context"

	"rouse.dev/rouse/internal/fn"
)

// Submit accepts a call. It returns once the call is durable: from then on it
// is carried out, whatever happens to this process. Errors: fn.NotFound (no
// such function), fn.Invalid (what the call says can never work, the callback
// address included), fn.TooLarge, fn.NoRoom (the disk, the queue or the
// function's share of it is full; nothing was accepted).
func (e *Engine) Submit(ctx context.Context, c Call) error {
	if err := e.check(&c); err != nil {
		return err
	}
	f, err := e.cfg.Functions.Stored(ctx, c.Ref)
	if err != nil {
		return err
	}
	if h := e.held(c.Ref); h.bytes >= e.cfg.MaxHeld {
		return fn.WithHint(fn.Errorf(fn.NoRoom, "the call was not accepted: what waits of %s, or was put aside, takes %s already", c.Ref, fn.FormatBytes(e.cfg.MaxHeld)),
			"see rouse queue list; purge what was put aside, make the function faster, or raise async.maxHeld")
	}
	_, queueName := e.cfg.Retry.of(f.Annotations)
	m, err := c.message(queueName)
	if err != nil {
		return err
	}
	if err := e.cfg.Queue.Publish(ctx, m); err != nil {
		if fn.KindOf(err) == fn.Exhausted {
			return fn.WithHint(fn.Errorf(fn.NoRoom, "the call was not accepted: %w", err),
				"make room on the disk of the data folder, or try again later")
		}
		return err
	}
	e.totals.submitted(c.Ref, queueName)
	return nil
}

// check refuses what can be refused without looking anything up.
func (e *Engine) check(c *Call) error {
	if int64(len(c.Body)) > e.cfg.MaxBody {
		return TooLarge(e.cfg.MaxBody)
	}
	var ms fn.Mistakes
	if !ValidID(c.ID) {
		ms.Add("id", "must be 1 to %d letters, digits and -_.:/+=", MaxID)
	}
	if c.Path != "" && c.Path[0] != '/' {
		ms.Add("path", "must begin with '/'")
	}
	if c.Callback != "" {
		if err := e.cfg.Callback.Check(c.Callback); err != nil {
			ms.Add("callback", "%v", err)
		}
	}
	return ms.Err()
}

// TooLarge is the error of a call whose body is larger than most bytes.
func TooLarge(most int64) error {
	return fn.WithHint(fn.Errorf(fn.TooLarge, "the body is larger than %s", fn.FormatBytes(most)),
		"put the data where the function can fetch it, or raise async.maxBody")
}
