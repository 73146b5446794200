package async

import (
	"context"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Redrive sends dead letters of a function on their way once more, their tries
// counted anew: those with the given IDs, or all. It returns how many.
func (e *Engine) Redrive(ctx context.Context, ref fn.Ref, ids ...string) (int, error) {
	n := 0
	err := e.each(ctx, ref, queue.Buried, func(stream string, some []queue.Entry) error {
		seqs := seqsOf(some, ids)
		if len(seqs) == 0 {
			return nil
		}
		if err := e.cfg.Queue.Revive(ctx, stream, seqs...); err != nil {
			return err
		}
		n += len(seqs)
		return nil
	})
	return n, noneOf(err, n, ids)
}

// Purge removes messages of a function in a state: those with the given IDs,
// or all. Calls under way are ended. It returns how many.
func (e *Engine) Purge(ctx context.Context, ref fn.Ref, state queue.State, ids ...string) (int, error) {
	n := 0
	err := e.each(ctx, ref, state, func(stream string, some []queue.Entry) error {
		seqs := seqsOf(some, ids)
		if len(seqs) == 0 {
			return nil
		}
		removed, err := e.cfg.Queue.Remove(ctx, stream, seqs...)
		n += removed
		e.abort(stream, seqs)
		return err
	})
	return n, noneOf(err, n, ids)
}

// noneOf is the error of a deed on named messages that found none of them.
func noneOf(err error, n int, ids []string) error {
	if err == nil && n == 0 && len(ids) > 0 {
		return fn.WithHint(fn.Errorf(fn.NotFound, "there is no such message"), "rouse queue dead NAME shows what there is")
	}
	return err
}

// Find returns the call with that ID, or fn.NotFound if there is none that is
// not over.
func (e *Engine) Find(ctx context.Context, id string) (Letter, error) {
	if !ValidID(id) {
		return Letter{}, noCall(id)
	}
	m, err := e.cfg.Queue.Find(ctx, callPrefix, id)
	if err != nil {
		if fn.KindOf(err) == fn.NotFound {
			err = noCall(id)
		}
		return Letter{}, err
	}
	return letterOf(&m), nil
}

func noCall(id string) error {
	return fn.Errorf(fn.NotFound, "there is no asynchronous call %.80q that waits or runs", id)
}

// Cancel drops a call that waits, or ends one that runs: it is not tried
// again, and there is no callback. fn.NotFound if the call is over, or put
// aside.
func (e *Engine) Cancel(ctx context.Context, id string) error {
	l, err := e.Find(ctx, id)
	if err != nil {
		return err
	}
	if l.State == queue.Buried {
		return fn.WithHint(noCall(id), "it was put aside: rouse queue purge %s.%s %s removes it", l.Ref.Name, l.Ref.Namespace, id)
	}
	n, err := e.cfg.Queue.Remove(ctx, l.stream, l.seq)
	if err == nil && n == 0 {
		err = noCall(id) // it ended in the meantime
	}
	e.abort(l.stream, []uint64{l.seq})
	return err
}

// abort ends deliveries whose messages are removed.
func (e *Engine) abort(stream string, seqs []uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, seq := range seqs {
		if r := e.running[seat{stream, seq}]; r != nil {
			r.cancel(errCanceled)
		}
	}
}

// ForgetNamespace removes all that waits for functions of a namespace: the
// next one of that name may be somebody else's.
func (e *Engine) ForgetNamespace(ctx context.Context, namespace string) error {
	streams, err := e.Streams(ctx, fn.Ref{})
	if err != nil {
		return err
	}
	for _, s := range streams {
		if s.Ref.Namespace != namespace {
			continue
		}
		for _, state := range []queue.State{queue.Waiting, queue.Leased, queue.Buried} {
			if _, err := e.Purge(ctx, s.Ref, state); err != nil {
				return err
			}
		}
	}
	return nil
}
