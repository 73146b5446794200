package gateway

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	httpcontract "rouse.dev/rouse/internal/contract/http"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pool"
	"rouse.dev/rouse/internal/route"
	"rouse.dev/rouse/internal/wire"
)

// bufferSize is the size of the buffer a call borrows: for the head it sends,
// then for what it relays.
const bufferSize = 32 << 10

// client is the side of a call that asked for it. Its methods are called by
// the call's goroutine, except gone and cut.
type client interface {
	origin() *origin
	// body is the request's body; it may be read once proceed was called.
	body() httpcontract.Source
	// proceed tells a client that waits for "100 Continue" to go on.
	proceed() error
	// inform passes an interim response on.
	inform(x *call) error
	// reply passes the final response on, head and body, each piece as soon
	// as it is there.
	reply(x *call) error
	// refuse sends the platform's own answer. Nothing was sent before.
	refuse(x *call, f *fn.Failure)
	// tunnel passes a 101 response on, then bytes both ways until both ends
	// have closed.
	tunnel(x *call) error
	// abort breaks the response off so that it cannot be taken for whole.
	abort()
	// received is the number of body bytes read from it.
	received() int64
	// gone reports whether the client has left. Called by the sweeper.
	gone() bool
	// cut makes every pending read and write of the client fail.
	cut()
}

// call is one call of a function on its way through. It is pooled; one
// goroutine owns it but for guard, which the sweeper shares.
type call struct {
	s      *Server
	client client
	guard  guard

	req      wire.Request
	target   target
	entry    *route.Entry
	rev      *fn.RevisionRef
	slot     *pool.Slot
	ex       httpcontract.Exchange
	inv      fn.Invocation
	label    label // what X-Call-Id says
	buf      *[bufferSize]byte
	isHead   bool // the method is HEAD
	safe     bool // the method changes nothing
	misnamed bool // the target cannot name a function
	unusual  bool // the method is none that functions are called with
	upgrade  bool // the request asks for another protocol
	headed   bool // the head of the answer has left, or tried to

	began  int64 // all on the server's clock, in ns
	replyN int64 // when the response head was there

	tunnelled atomic.Bool // answered 101: no deadline any more

	upload  chan error // capacity 1; the result of the goroutine that sends the body
	pumping bool       // that goroutine runs
	whole   bool       // the instance got the whole body
}

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// begin makes a call ready to run once req and client are set. at is when its
// head was there. misnamed says that the target cannot name a function.
func (x *call) begin(at int64, misnamed bool) {
	wall := x.s.epoch.Add(time.Duration(at))
	x.inv = fn.Invocation{Began: wall}
	x.identify(wall)
	x.entry, x.rev, x.slot = nil, nil, nil
	x.upgrade, x.headed, x.pumping, x.whole = false, false, false, false
	x.isHead, x.safe, x.unusual, x.misnamed = false, false, false, misnamed
	switch string(x.req.Method) {
	case "HEAD":
		x.isHead, x.safe = true, true
	case "GET", "OPTIONS":
		x.safe = true
	case "POST", "PUT", "PATCH", "DELETE":
	default:
		x.unusual = x.target.byPath // at a host of its own a function may speak WebDAV
	}
	x.tunnelled.Store(false)
	x.began, x.replyN = at, 0
	x.ex.Body.Reset(nil, wire.NoBody, 0)
}

// run serves the call from its head to its record.
func (x *call) run(ctx context.Context) {
	fail := x.find()
	if fail == nil {
		x.guard.open(x)
		if fail = x.admit(ctx); fail == nil {
			x.buf = buffers.Get().(*[bufferSize]byte)
			fail = x.serve(ctx)
			buffers.Put(x.buf)
			x.buf = nil
		}
		x.guard.shut()
	}
	if fail != nil {
		x.failed(fail)
	}
	x.record()
}

// find looks the function up.
func (x *call) find() *fn.Failure {
	t := &x.target
	if x.misnamed {
		return noName()
	}
	if x.unusual {
		return badMethod(x.req.Method)
	}
	if x.entry = x.s.cfg.Routes.Lookup(t.namespace, t.name); x.entry == nil {
		return noFunction(t)
	}
	x.inv.Revision.Ref = x.entry.Ref
	if x.rev = x.entry.Pick(rand.Uint64()); x.rev == nil {
		return noRevision(x.entry.Ref)
	}
	x.inv.Revision = *x.rev
	x.upgrade = x.req.Switch && len(x.req.Upgrade) > 0 && x.req.Framing == wire.NoBody &&
		!wire.HasPrefixFold(x.req.Upgrade, "h2c")
	return nil
}

// admit gets a slot, waiting for one if it must.
func (x *call) admit(ctx context.Context) *fn.Failure {
	if x.slot = x.s.cfg.Pool.Try(x.rev, x.inv.ID); x.slot == nil {
		if fail := x.hold(ctx); fail != nil {
			return fail
		}
	}
	x.inv.Instance, x.inv.Kind, x.inv.Timing = x.slot.Instance, x.slot.Kind, x.slot.Timing
	if err := x.guard.arm(x.slot.Conn); err != nil {
		x.slot.Release(false)
		x.slot = nil
		return x.stopped(err, fn.PhaseQueue)
	}
	return nil
}

// hold waits in the pool. Only here a call has a context and a timer.
func (x *call) hold(ctx context.Context) *fn.Failure {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if left := x.left(); left > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, left, fn.Timeout)
		defer stop()
	}
	x.guard.hold(cancel)
	slot, err := x.s.cfg.Pool.Admit(ctx, x.rev, x.inv.ID)
	x.guard.hold(nil)
	x.inv.Timing.Queue = time.Duration(x.s.now() - x.began)
	if err != nil {
		return asFailure(err, fn.PhaseQueue)
	}
	x.slot = slot
	return nil
}

// left is the time until the call's deadline; 0 if it has none.
func (x *call) left() time.Duration {
	if x.entry.Timeout <= 0 {
		return 0
	}
	return max(x.entry.Timeout-time.Duration(x.s.now()-x.began), 1)
}

// failed answers with a failure, or breaks the answer off if it has begun.
func (x *call) failed(f *fn.Failure) {
	x.inv.Cause, x.inv.Phase = f.Cause, f.Phase
	switch {
	case x.headed:
		x.client.abort()
	case f.Kind == fn.Canceled:
		x.inv.Status = 0
		x.client.abort()
	default:
		x.inv.Status = status(f)
		x.client.refuse(x, f)
	}
}

// rescue ends a call that ran into a bug of ours: no request may take the
// server, and everybody else's calls, with it. The call is not used again.
func (x *call) rescue(bug any) {
	x.guard.shut()
	if x.slot != nil {
		_ = x.slot.Conn.SetDeadline(past) // ends an upload, too
		x.slot.Release(false)
		x.slot = nil
	}
	x.s.cfg.Log.Error("a call ran into a bug", "call", x.inv.ID.String(), "bug", bug, "stack", string(debug.Stack()))
}

// record hands the finished call to the recorder.
func (x *call) record() {
	if x.s.cfg.Recorder == nil {
		return
	}
	now := x.s.now()
	x.inv.In += x.client.received()
	t := &x.inv.Timing
	if x.inv.Instance != "" {
		run := x.replyN
		if run == 0 {
			run = now
		}
		t.Run = max(time.Duration(run-x.began)-t.Queue-t.Start-t.Init, 0)
		t.Reply = time.Duration(now - run)
	}
	x.s.cfg.Recorder.Record(&x.inv)
}
