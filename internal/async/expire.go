package async

import (
	"context"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// How dead letters that are too old are looked for: some at a time, with
// pauses between, so that calls do not feel it however many there are.
const (
	expirePage  = 256
	expirePause = 100 * time.Millisecond
	expireEvery = time.Hour // from the end of one look at all to the next
)

// expire removes dead letters that have been kept for long enough, until ctx
// ends.
func (e *Engine) expire(ctx context.Context) {
	for e.cfg.KeepDead > 0 && ctx.Err() == nil {
		if err := e.expireAll(ctx); err != nil && ctx.Err() == nil {
			if fn.KindOf(err) == fn.Unavailable {
				return // closed
			}
			e.cfg.Log.Error("old dead letters cannot be removed, trying again later", "error", err)
		}
		sleep(ctx, expireEvery)
	}
}

// expireAll looks at every dead letter once.
func (e *Engine) expireAll(ctx context.Context) error {
	for _, prefix := range []string{callPrefix, callbackPrefix} {
		infos, err := e.cfg.Queue.Streams(ctx, prefix)
		if err != nil {
			return err
		}
		for _, i := range infos {
			if i.Buried == 0 {
				continue
			}
			if err := e.expireIn(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// expireIn looks at the dead letters of one stream.
func (e *Engine) expireIn(ctx context.Context, i queue.Info) error {
	removed := 0
	defer func() {
		if removed > 0 {
			e.cfg.Log.Info("dead letters were kept for long enough and are removed", "stream", i.Stream, "count", removed)
		}
	}()
	for after := uint64(0); ; {
		n, next, err := e.cfg.Queue.Expire(ctx, i.Stream, time.Now().Add(-e.cfg.KeepDead), after, expirePage)
		removed += n
		if err != nil {
			return err
		}
		sleep(ctx, expirePause)
		if after = next; after == 0 || ctx.Err() != nil {
			return nil
		}
	}
}
