package process

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/cgroup"
	"rouse.dev/rouse/internal/engine/process/launch"
	"rouse.dev/rouse/internal/engine/process/plan"
)

// Start implements engine.Engine.
func (e *Engine) Start(ctx context.Context, spec engine.Spec) (engine.Instance, error) {
	if err := checkSpec(&spec); err != nil {
		return nil, fmt.Errorf("starting instance %s: %w", spec.ID, err)
	}
	i := newInstance(e, &spec)
	if err := e.add(i); err != nil {
		return nil, fmt.Errorf("starting instance %s: %w", spec.ID, err)
	}
	e.begin() // Close waits for the instance, so it cannot have waited already
	if err := e.start(ctx, i, &spec); err != nil {
		i.abandon()
		return nil, fmt.Errorf("starting instance %s: %w", spec.ID, err)
	}
	return i, nil
}

// start makes the sandbox and hands what belongs to it to the instance.
func (e *Engine) start(ctx context.Context, i *instance, spec *engine.Spec) error {
	d := &draft{e: e, spec: spec, level: e.level, box: plan.Box{Level: e.level}}
	defer d.undo.run()
	defer func() { d.box.Folders, spec.Files = nil, nil }() // the draft lives as long as the instance
	if err := d.prepare(ctx); err != nil {
		return err
	}
	p, firstExec := plan.Compile(&d.box)
	linked := p.Link()
	proc, err := e.forkers.Exec(ctx, d.request(p, linked, firstExec))
	if err != nil {
		d.discard()
		return startError(p, firstExec, &d.box, err)
	}
	i.run(d, proc)
	return nil
}

// abandon ends an instance that never ran.
func (i *instance) abandon() {
	i.handles.Lock()
	i.released = true
	i.handles.Unlock()
	close(i.started)
	close(i.done)
	i.e.remove(i)
}

// drop removes a group nobody is in any more.
func (e *Engine) drop(g *cgroup.Group) {
	if err := g.Remove(); err != nil {
		e.log.Warn("cannot remove a control group", "error", err)
	}
}

func (d *draft) request(p *plan.Plan, linked *plan.Linked, firstExec int) *launch.Request {
	req := &launch.Request{Flags: p.Flags, Cgroup: -1, Ops: linked.Ops, Exec: firstExec, Keep: linked}
	if d.group != nil {
		req.Cgroup = d.group.Into()
	}
	return req
}

// run takes everything over and starts the goroutines that see it through.
func (i *instance) run(d *draft, proc launch.Process) {
	i.level, i.group, i.net, i.socket, i.port = d.level, d.group, d.net, d.socket, d.port
	i.pid, i.limits, i.tmp = proc.PID, d.spec.Limits, d.tmp
	if i.group != nil {
		i.group.Settled()
	}
	i.mark()
	_ = unix.SetNonblock(proc.PidFD, true) // lets the runtime's poller watch it
	i.pidfd = proc.PidFD
	i.process = os.NewFile(uintptr(proc.PidFD), "pidfd")
	out := newStream(d.stdout, "stdout")
	errs := newStream(d.stderr, "stderr")
	keep := d.keep
	i.e.background.Go(func() { out.run(d.spec.Stdout) })
	i.e.background.Go(func() { errs.run(d.spec.Stderr) })
	i.e.background.Go(func() { i.watch(keep, out, errs) })
	close(i.started)
}
