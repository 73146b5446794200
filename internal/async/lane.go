package async

import (
	"context"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// lane is one stream that has something due, in hand, or to remember. Its
// goroutine runs while something may be due: it leases what there is room for
// and starts a goroutine for each delivery.
type lane struct {
	stream string
	ref    fn.Ref
	post   bool // of callbacks
	share  *share

	driven bool   // guarded by Engine.mu: its goroutine runs
	kicked bool   // guarded by Engine.mu: something became due since it last looked
	window window // guarded by Engine.mu
}

// kick makes sure that somebody looks at a stream. Run's ctx ends the look.
func (e *Engine) kick(ctx context.Context, stream string) {
	_, ref, ok := parseStream(stream)
	if !ok {
		return // somebody else's
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.lanes[stream]
	if l == nil {
		l = e.newLane(stream, ref)
		e.lanes[stream] = l
	}
	l.kicked = true
	if !l.driven {
		l.driven = true
		e.driven.Go(func() { e.drive(ctx, l) })
	}
}

func (e *Engine) newLane(stream string, ref fn.Ref) *lane {
	l := &lane{stream: stream, ref: ref, window: newWindow()}
	if queueName, _, _ := parseStream(stream); queueName == "" {
		l.post, l.share = true, e.posts.share()
	} else {
		l.share = e.calls.share()
	}
	return l
}

// drive leases and delivers until nothing is due, or ctx ends.
func (e *Engine) drive(ctx context.Context, l *lane) {
	defer l.share.leave()
	for !e.rest(ctx, l) {
		f, known, err := e.function(ctx, l)
		if err == nil {
			if n := e.admit(ctx, l, &f); n > 0 {
				err = e.leaseSome(ctx, l, n, delivery{f: f, known: known})
			}
		}
		if err != nil && ctx.Err() == nil {
			e.cfg.Log.Error("asynchronous calls cannot be read, trying again", "stream", l.stream, "error", err)
			e.again(l)
			sleep(ctx, time.Second)
		}
	}
}

// rest reports whether the lane's goroutine is done: ctx has ended, or nothing
// became due since the last look.
func (e *Engine) rest(ctx context.Context, l *lane) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l.kicked && ctx.Err() == nil {
		l.kicked = false
		return false
	}
	l.driven = false
	e.tidyLocked(l, time.Now())
	return true
}

// tidyLocked forgets a lane that has nothing to do and nothing to remember.
func (e *Engine) tidyLocked(l *lane, now time.Time) {
	if !l.driven && l.share.count() == 0 && l.window.rested(now) {
		delete(e.lanes, l.stream)
	}
}

// again notes that there may be more.
func (e *Engine) again(l *lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.kicked = true
}

// function reads what is stored of a lane's function; known is false if it is
// gone.
func (e *Engine) function(ctx context.Context, l *lane) (f fn.Function, known bool, err error) {
	f, err = e.cfg.Functions.Stored(ctx, l.ref)
	if fn.KindOf(err) == fn.NotFound && err != nil {
		return fn.Function{Ref: l.ref}, false, nil
	}
	return f, err == nil, err
}

// admit waits until the function can take a call, and returns how many it may
// be given now; they are taken from the budget. 0: ctx has ended.
func (e *Engine) admit(ctx context.Context, l *lane, f *fn.Function) int {
	for ctx.Err() == nil {
		room, pause := e.room(l, f)
		if pause > 0 {
			sleep(ctx, pause)
			continue
		}
		if n := l.share.take(room); n > 0 {
			return n
		}
		select {
		case <-l.share.wake:
		case <-ctx.Done():
		}
	}
	return 0
}

// postsAtOnce bounds the callbacks of one function that are under way.
const postsAtOnce = 16

// room is how many deliveries may be begun now, or how long to wait.
func (e *Engine) room(l *lane, f *fn.Function) (room int, pause time.Duration) {
	inHand := l.share.count()
	most, others := postsAtOnce, 0
	if !l.post {
		most = f.Spec.Scale.Max * f.Spec.Scale.Concurrency
		others = max(e.cfg.Functions.Load(l.ref)-inHand, 0)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if pause := time.Until(l.window.notAfter); pause > 0 {
		return 0, pause
	}
	return l.window.room(inHand, others, most), 0
}

// leaseSome leases up to n messages, which are taken from the budget, and
// starts their delivery.
func (e *Engine) leaseSome(ctx context.Context, l *lane, n int, of delivery) error {
	ds, err := e.cfg.Queue.Lease(ctx, l.stream, n, e.cfg.Lease)
	l.share.give(n - len(ds))
	if len(ds) > 0 {
		e.again(l) // there may be more
	}
	for _, d := range ds {
		e.begin(ctx, l, d, of)
	}
	return err
}

// begin starts one delivery.
func (e *Engine) begin(ctx context.Context, l *lane, d queue.Delivery, of delivery) {
	ctx, r := e.enter(ctx, &d)
	of.lane, of.began, of.Delivery = l, time.Now(), d
	e.inHand.Go(func() {
		defer func() {
			e.leave(r)
			l.share.give(1)
			e.mu.Lock()
			e.tidyLocked(l, time.Now())
			e.mu.Unlock()
		}()
		e.deliver(ctx, &of)
	})
}

// sleep waits for d, or less if ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
