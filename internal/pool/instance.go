package pool

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// state is where an instance is in its life.
type state uint8

const (
	ready    state = iota // takes calls
	freezing              // being frozen: as good as frozen, but not to be thawed yet
	frozen                // no CPU, in memory
	thawing
	draining // finishes its calls, takes no more
)

func (s state) String() string {
	return [...]string{"ready", "freezing", "frozen", "thawing", "draining"}[s]
}

// instance is one sandbox of a group. All fields below mu's comment are
// guarded by the group's mu.
type instance struct {
	g     *group
	id    string
	box   engine.Instance
	began time.Time     // when its start began
	start time.Duration // making the sandbox
	init  time.Duration // until the program answered
	meter reading       // owned by group.measure

	// guarded by g.mu
	gen       int // of the group when Launch.Files was asked
	state     state
	calls     int         // slots in use
	idle      []*Slot     // kept-alive connections not in use
	idleSince time.Time   // when calls last became 0
	stopping  bool        // we asked it to end
	dead      bool        // its process is gone
	served    int64       // calls answered
	judge     *fn.Failure // it ended with calls in hand: a failure unless one of them was answered
	sole      bool        // call is the only one in hand
	call      fn.CallID   // the call in hand, if sole
}

// takeLocked reserves a slot for a call.
func (i *instance) takeLocked(id fn.CallID) {
	i.calls++
	i.sole, i.call = i.calls == 1, id
	i.g.inflight++
	i.g.arrivals++
}

// tag notes which call a granted slot is used for.
func (i *instance) tag(id fn.CallID) {
	i.g.mu.Lock()
	i.sole, i.call = i.calls == 1, id
	i.g.mu.Unlock()
}

// current is the call that what the instance prints now belongs to.
func (i *instance) current() (fn.CallID, bool) {
	i.g.mu.Lock()
	defer i.g.mu.Unlock()
	return i.call, i.sole
}

// start makes one instance, waits until its program answers and puts it to
// work. It runs in a goroutine of the pool.
func (g *group) start(ctx context.Context) {
	select {
	case g.p.starts <- struct{}{}:
		defer g.p.startTurn()()
	case <-ctx.Done():
		g.startFailed(nil, shuttingDown())
		return
	}
	i := &instance{g: g, id: fmt.Sprintf("%s-%d", g.p.prefix, g.p.serial.Add(1)), began: time.Now()}
	limit := g.launch.Policy.Limits.Start
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errStartDeadline)
	defer cancel()
	files, err := g.files(ctx, i)
	if err != nil {
		g.startFailed(i, g.cannotStart(ctx, err))
		return
	}
	out := g.p.cfg.Logs.Writer(g.rev, i.id, "stdout", i.current)
	errs := g.p.cfg.Logs.Writer(g.rev, i.id, "stderr", i.current)
	box, err := g.p.cfg.Engine.Start(ctx, engine.Spec{
		ID: i.id, Revision: g.rev, Root: g.launch.Root, Program: g.launch.Program,
		Env: g.launch.Env, Limits: g.launch.Policy.Limits, Network: g.launch.Policy.Network,
		Mounts: g.launch.Mounts, Files: files, Stdout: out, Stderr: errs,
	})
	if err != nil {
		out.Close()
		errs.Close()
		g.startFailed(i, g.cannotStart(ctx, err))
		return
	}
	i.box, i.start = box, time.Since(i.began)
	g.p.spawn(func(context.Context) {
		<-box.Done()
		out.Close()
		errs.Close()
		g.exited(i)
	})
	first, err := i.awaitReady(ctx)
	i.init = time.Since(i.began) - i.start
	if err != nil {
		g.notReady(ctx, i, err)
		return
	}
	g.started(i, first)
}

// turnAtMost is how long one start may keep others from beginning: a program
// that is slow to answer must not hold up everybody else's.
const turnAtMost = 250 * time.Millisecond

// startTurn is called with a place in starts. The place is given up after
// turnAtMost, or when the returned function is called.
func (p *Pool) startTurn() (end func()) {
	leave := sync.OnceFunc(func() { <-p.starts })
	t := time.AfterFunc(turnAtMost, leave)
	return func() {
		t.Stop()
		leave()
	}
}

// started puts a ready instance to work.
func (g *group) started(i *instance, first *Slot) {
	if o := g.p.cfg.Observer; o != nil {
		o.InstanceStarted(g.rev, i.start, i.init, nil)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.starting--
	if i.dead { // it answered and fell over at once; exited took it for one that never answered
		first.close()
		g.surplus = min(g.surplus, g.starting)
		g.failedLocked(g.exitFailure(i, i.box.Exit(), fn.PhaseInit), time.Now())
		if g.liveLocked() == 0 {
			g.failWaitersLocked(g.lastFail)
		}
		g.changedLocked()
		return
	}
	i.idleSince = time.Now()
	i.idle = append(i.idle, first)
	g.insts = append(g.insts, i)
	if g.gone || g.p.closing.Load() {
		i.stopLocked()
	}
	g.dispatchLocked()
	if g.surplus > 0 {
		g.surplus--
		i.drainLocked()
	}
	g.renewLocked(i)
	g.changedLocked()
}

// notReady ends an instance that did not become ready.
func (g *group) notReady(ctx context.Context, i *instance, cause error) {
	g.mu.Lock()
	i.stopping = true
	g.mu.Unlock()
	if i.endsSoon(ctx) { // by itself: its exit is the reason
		cause = nil
	} else {
		// The program is stuck: no grace. Its end must be waited for even if
		// we are shutting down.
		_ = i.box.Stop(context.WithoutCancel(ctx), 0)
	}
	g.startFailed(i, g.neverReady(ctx, i, cause))
}

// settle is how long after its connections an instance's end may be seen.
const settle = 250 * time.Millisecond

// endsSoon reports whether the instance has ended, or does within settle and
// ctx.
func (i *instance) endsSoon(ctx context.Context) bool {
	t := time.NewTimer(settle)
	defer t.Stop()
	select {
	case <-i.box.Done():
		return true
	case <-ctx.Done():
	case <-t.C:
	}
	return i.ended()
}

// ended reports whether every process of the instance is gone.
func (i *instance) ended() bool {
	select {
	case <-i.box.Done():
		return true
	default:
		return false
	}
}

// startFailed notes a failed start: calls that nobody else can serve fail
// with the same reason, and the next start waits a little longer each time.
func (g *group) startFailed(i *instance, fail *fn.Failure) {
	if o := g.p.cfg.Observer; o != nil && i != nil {
		o.InstanceStarted(g.rev, i.start, i.init, fail)
	}
	g.p.cfg.Log.Warn("instance did not start", "function", g.rev.Ref.String(), "revision", g.rev.Number,
		"cause", fail.Cause, "message", fail.Message)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.starting--
	g.surplus = min(g.surplus, g.starting)
	g.failedLocked(fail, time.Now())
	if g.liveLocked() == 0 {
		g.failWaitersLocked(fail)
	}
	g.changedLocked()
}

// failedLocked counts a failure towards the crash-loop back-off. Several
// instances of one burst that fail together count once.
func (g *group) failedLocked(fail *fn.Failure, now time.Time) {
	g.lastFail = fail
	if now.Before(g.notBefore) {
		return
	}
	g.fails++
	g.notBefore = now.Add(backoff(g.fails))
}

// backoff is how long no instance is started after n failures in a row.
func backoff(n int) time.Duration {
	const first, most = 100 * time.Millisecond, 30 * time.Second
	if n > 9 {
		return most
	}
	return min(first<<(n-1), most)
}

// exited takes note that every process of an instance is gone. Whoever sees it
// first says so: the goroutine that waits for it, or a call that could not
// reach the instance and must not be sent there again.
func (g *group) exited(i *instance) {
	exit := i.box.Exit()
	fail := g.exitFailure(i, exit, fn.PhaseRun)
	g.mu.Lock()
	if i.dead {
		g.mu.Unlock()
		return
	}
	expected := i.stopping
	i.dead = true
	was := len(g.insts)
	g.insts = slices.DeleteFunc(g.insts, func(o *instance) bool { return o == i })
	joined := len(g.insts) < was // it had become ready
	for _, s := range i.idle {
		s.close()
	}
	i.idle = nil
	now := time.Now()
	if joined && !expected {
		g.lastFail = fail
		switch {
		case i.served > 0:
		case i.calls > 0:
			i.judge = fail
		default:
			g.failedLocked(fail, now)
		}
	}
	if len(g.waiters) > 0 {
		if g.growLocked(now); g.liveLocked() == 0 && g.lastFail != nil {
			g.failWaitersLocked(g.lastFail)
		}
	}
	g.changedLocked()
	g.mu.Unlock()
	if o := g.p.cfg.Observer; o != nil {
		o.InstanceExited(g.rev, exit, expected)
	}
	if !expected {
		g.p.cfg.Log.Warn("instance ended by itself", "function", g.rev.Ref.String(),
			"revision", g.rev.Number, "instance", i.id, "exit", describeExit(exit))
	}
}

// thawLocked begins to thaw a frozen instance.
func (i *instance) thawLocked() {
	i.state = thawing
	i.g.p.spawn(func(ctx context.Context) {
		err := i.box.(engine.Freezer).Thaw(ctx)
		i.g.mu.Lock()
		defer i.g.mu.Unlock()
		if err != nil {
			i.g.p.cfg.Log.Error("instance cannot be thawed", "instance", i.id, "error", err)
			i.stopLocked()
			i.g.growLocked(time.Now())
			return
		}
		if i.state == thawing {
			i.state = ready
			i.idleSince = time.Now()
		}
		i.g.dispatchLocked()
	})
}

// freezeLocked begins to freeze an idle instance.
func (i *instance) freezeLocked(f engine.Freezer) {
	i.state = freezing
	i.g.p.spawn(func(ctx context.Context) {
		err := f.Freeze(ctx)
		i.g.mu.Lock()
		defer i.g.mu.Unlock()
		if i.state != freezing {
			return
		}
		if i.state = frozen; err != nil {
			i.state = ready // it runs on; tried again when it is next idle
			i.idleSince = time.Now()
		}
		if len(i.g.waiters) > 0 {
			i.g.dispatchLocked()
			i.g.growLocked(time.Now())
		}
	})
}

// drainLocked lets an instance finish its calls and end.
func (i *instance) drainLocked() {
	if i.state == draining {
		return
	}
	if i.state = draining; i.calls == 0 {
		i.stopLocked()
	}
}

// stopLocked begins to end an instance, whatever it does.
func (i *instance) stopLocked() {
	i.state = draining
	if i.stopping {
		return
	}
	i.stopping = true
	grace := i.g.p.cfg.StopGrace
	i.g.p.spawn(func(ctx context.Context) {
		// The end must be seen even when the pool itself is ending.
		if err := i.box.Stop(context.WithoutCancel(ctx), grace); err != nil {
			i.g.p.cfg.Log.Error("instance cannot be stopped", "instance", i.id, "error", err)
		}
	})
}
