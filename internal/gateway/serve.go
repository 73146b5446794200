package gateway

import (
	"context"
	"errors"
	"time"

	httpcontract "rouse.dev/rouse/internal/contract/http"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/wire"
)

const (
	maxTries   = 3                      // of sending a request whose kept-alive connection turns out dead
	redialTime = 5 * time.Second        // to replace a stale kept-alive connection
	uploadTime = 250 * time.Millisecond // for the rest of a request body after the response has ended
)

// clientError wraps an error of the client's side of a call.
type clientError struct{ err error }

func (e *clientError) Error() string { return "writing to the client: " + e.err.Error() }
func (e *clientError) Unwrap() error { return e.err }

// serve carries the call out on its slot, and gives the slot back.
func (x *call) serve(ctx context.Context) *fn.Failure {
	fail := x.exchange(ctx)
	if fail == nil {
		fail = x.answer(ctx)
	}
	x.settle(fail)
	stopped := x.guard.disarm() != nil
	if x.slot != nil {
		slot := x.slot
		x.slot = nil
		slot.Answered = fail == nil
		slot.Release(!stopped && fail == nil && x.whole && x.ex.Reusable())
	}
	return fail
}

// exchange sends the request and waits for the final response head. A request
// that a kept-alive connection swallowed is sent again.
func (x *call) exchange(ctx context.Context) *fn.Failure {
	if x.slot.Reused && !x.safe && x.slot.Conn.Stale() {
		// What must not act twice is not sent twice: look before.
		if fail := x.redial(ctx, true); fail != nil {
			return fail
		}
	}
	x.ex.Begin(x.slot.Conn, x.isHead)
	first, err := x.opening()
	if err != nil {
		return x.broken(ctx, err, fn.PhaseRun)
	}
	for range maxTries {
		var again, certain bool
		if again, certain, err = x.try(first); err == nil {
			return nil
		}
		if !again {
			break
		}
		if fail := x.redial(ctx, certain); fail != nil {
			return fail
		}
	}
	return x.broken(ctx, err, fn.PhaseRun)
}

// try sends what is to be sent first, has the rest follow, and waits for the
// final response head. again reports whether the error allows another try;
// certain, that the instance did not act on this one.
func (x *call) try(first []byte) (again, certain bool, err error) {
	sent := httpcontract.Sent{Body: x.req.Framing != wire.NoBody, Safe: x.safe}
	sent.Bytes, err = x.slot.Conn.Write(first)
	if err == nil && !x.whole {
		x.startUpload()
	}
	if err != nil && x.slot.Reused && x.ex.Unheard(err, sent) {
		return true, true, err
	}
	// Even if not all could be written there may be an answer.
	if err = x.await(); err == nil {
		return false, false, nil
	}
	again = !x.pumping && x.slot.Reused && x.ex.Unheard(err, sent)
	sent.Safe = false
	return again, again && x.ex.Unheard(err, sent), err
}

// opening puts together what is sent first: the head, and of the body what is
// there already. Request's byte slices are void afterwards.
func (x *call) opening() ([]byte, error) {
	first := x.appendRequest(x.buf[:0])
	x.whole = x.req.Framing == wire.NoBody
	if x.whole {
		return first, nil
	}
	if err := x.client.proceed(); err != nil {
		return nil, &clientError{err}
	}
	const room = 4 << 10 // less is not worth a read
	src := x.client.body()
	ready, ok := src.(interface{ Ready() bool })
	if !ok || len(x.buf)-len(first) < room || !ready.Ready() {
		return first, nil
	}
	first, last, err := httpcontract.Piece(x.buf[:], len(first), src, x.req.Framing == wire.Chunked)
	x.whole = last
	return first, err
}

// redial replaces a stale connection. If that cannot be done, because the
// instance is gone, the call is admitted anew; but only if it is certain that
// it did not end the instance itself.
func (x *call) redial(ctx context.Context, certain bool) *fn.Failure {
	if cause := x.guard.disarm(); cause != nil {
		return x.stopped(cause, fn.PhaseRun)
	}
	limit := redialTime
	if left := x.left(); left > 0 {
		limit = min(limit, left)
	}
	short, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	switch err := x.slot.Redial(short); {
	case err == nil:
		if cause := x.guard.arm(x.slot.Conn); cause != nil {
			return x.stopped(cause, fn.PhaseRun)
		}
	case !certain:
		return x.slot.Explain(ctx, err, fn.PhaseRun)
	default:
		x.slot.Release(false)
		if fail := x.admit(ctx); fail != nil {
			return fail
		}
	}
	x.ex.Begin(x.slot.Conn, x.isHead)
	return nil
}

// await reads response heads until the final one, passing interim ones on.
func (x *call) await() error {
	for {
		if err := x.ex.Await(x.s.cfg.MaxHead); err != nil {
			return err
		}
		r := &x.ex.Response
		if !r.Interim() {
			x.replyN = x.s.now()
			if r.Status == 101 && !x.upgrade {
				return &httpcontract.BadResponse{Reason: "101 Switching Protocols where none was asked for"}
			}
			return nil
		}
		if r.Status != 100 { // we answer Expect ourselves
			if err := x.client.inform(x); err != nil {
				return &clientError{err}
			}
		}
		x.ex.Skip()
	}
}

// answer passes the response on.
func (x *call) answer(ctx context.Context) *fn.Failure {
	x.inv.Status = x.ex.Response.Status
	x.headed = true
	var err error
	if x.inv.Status == 101 {
		x.tunnelled.Store(true)
		err = x.client.tunnel(x)
	} else {
		err = x.client.reply(x)
	}
	if err != nil {
		return x.broken(ctx, err, fn.PhaseReply)
	}
	return nil
}

// startUpload sends the rest of the request body beside the response.
func (x *call) startUpload() {
	x.pumping = true
	conn, src, chunked := x.slot.Conn, x.client.body(), x.req.Framing == wire.Chunked
	x.s.tasks.Go(func() {
		err := httpcontract.Upload(conn, src, chunked)
		if bad, ok := errors.AsType[*httpcontract.SourceError](err); ok {
			// The instance must not take a piece for the whole.
			x.guard.stop(sourceCause(bad.Err))
		}
		x.upload <- err
	})
}

// sourceCause says why a request body cannot be read on.
func sourceCause(err error) error {
	if bad, ok := errors.AsType[*wire.SyntaxError](err); ok {
		return badBody(bad)
	}
	return fn.Canceled
}

// settle waits for the upload. After a response that ended well the client
// gets a moment to finish what it is sending.
func (x *call) settle(fail *fn.Failure) {
	if !x.pumping {
		return
	}
	x.pumping = false
	var err error
	if fail == nil {
		t := time.NewTimer(uploadTime)
		select {
		case err = <-x.upload:
			t.Stop()
			x.whole = err == nil
			return
		case <-t.C:
		}
	}
	_ = x.slot.Conn.SetDeadline(past)
	x.client.cut()
	err = <-x.upload
	x.whole = err == nil && fail == nil
}

// broken explains an error of the exchange.
func (x *call) broken(ctx context.Context, err error, phase fn.Phase) *fn.Failure {
	if cause := x.guard.why(); cause != nil {
		return x.stopped(cause, phase)
	}
	if bad, ok := errors.AsType[*httpcontract.SourceError](err); ok {
		return x.stopped(sourceCause(bad.Err), phase)
	}
	if bad, ok := errors.AsType[*httpcontract.BadResponse](err); ok {
		return badResponse(x.entry.Ref, bad, phase)
	}
	if bad, ok := errors.AsType[*wire.SyntaxError](err); ok { // in the body's framing
		return badResponse(x.entry.Ref, bad, phase)
	}
	if _, ok := errors.AsType[*clientError](err); ok {
		return x.stopped(fn.Canceled, phase)
	}
	return x.slot.Explain(ctx, err, phase)
}

// stopped explains a call that was ended for a cause.
func (x *call) stopped(cause error, phase fn.Phase) *fn.Failure {
	switch f, ok := errors.AsType[*fn.Failure](cause); {
	case ok:
		g := *f
		g.Phase = phase
		return &g
	case errors.Is(cause, fn.Timeout):
		return tooSlow(x.entry, phase)
	}
	return clientLeft(phase)
}
