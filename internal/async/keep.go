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

// find returns the call with that ID that may allows; whoever calls a function
// chooses the ID, so there can be one in each stream. If there are only others,
// the error is may's. fn.NotFound if there is none that is not over.
func (e *Engine) find(ctx context.Context, id string, may func(fn.Ref) error) (Letter, error) {
	if !ValidID(id) {
		return Letter{}, noCall(id)
	}
	l, err := e.findIn(ctx, callPrefix, id)
	if err != nil {
		return Letter{}, err
	}
	denied := may(l.Ref)
	if denied == nil && l.State != queue.Buried {
		return l, nil
	}
	others, err := e.cfg.Queue.Streams(ctx, callPrefix)
	if err != nil {
		return Letter{}, err
	}
	for _, i := range others {
		if _, ref, ok := parseStream(i.Stream); !ok || i.Stream == l.stream || may(ref) != nil {
			continue
		}
		other, err := e.findIn(ctx, i.Stream, id)
		if err == nil && may(other.Ref) == nil && (denied != nil || other.State != queue.Buried) {
			return other, nil
		}
		if err != nil && fn.KindOf(err) != fn.NotFound {
			return Letter{}, err
		}
	}
	return l, denied
}

// findIn finds a call in the streams whose names begin with prefix.
func (e *Engine) findIn(ctx context.Context, prefix, id string) (Letter, error) {
	m, err := e.cfg.Queue.Find(ctx, prefix, id)
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
// aside. may says whose calls the caller may cancel: it returns why not. What
// it has allowed is what is cancelled, not another call of that ID.
func (e *Engine) Cancel(ctx context.Context, id string, may func(fn.Ref) error) error {
	l, err := e.find(ctx, id, may)
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
