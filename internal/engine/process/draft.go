package process

import (
	"context"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/cgroup"
	"rouse.dev/rouse/internal/engine/process/netns"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// draft is a sandbox being put together. It belongs to one goroutine.
type draft struct {
	e     *Engine
	spec  *engine.Spec
	level plan.Level
	box   plan.Box

	undo cleanup // what only the start needs; run in any case
	keep cleanup // what the instance needs until it ends; run if the start fails
	fail cleanup // what the instance's goroutines take over; run if the start fails

	uid            int
	group          *cgroup.Group // nil if there are no control groups
	net            *netns.Netns  // nil if the engine has none
	socket         int           // O_PATH descriptor of the listening socket, -1
	stdout, stderr int           // our ends
	tmp            string        // Landlock: folder that serves as /tmp
	port           int           // where a server listens
}

// prepare acquires everything a sandbox consists of and fills the box.
func (d *draft) prepare(ctx context.Context) error {
	d.socket, d.stdout, d.stderr, d.port = -1, -1, -1, listenPort
	b := &d.box
	b.Hostname, b.OOMScore, b.Masks = hostname, d.e.cfg.OOMScore, d.e.masks
	b.UID, b.GID = os.Geteuid(), os.Getegid()
	b.NetNS, b.Listen, b.Stdin = -1, -1, d.e.null
	b.Tmp = d.spec.Limits.Tmp
	if b.Tmp == 0 {
		b.Tmp = fn.Default().Limits.Tmp
	}
	b.Filter = d.e.filter.plan()
	b.Limits = slices.Clone(d.e.rlimits)
	b.Ruleset = &plan.Ruleset{ABI: d.e.landlock, Confine: true}
	b.Dir, b.Argv, b.Env = workDir(d.spec), d.spec.Program.Command, environ(d.spec)
	b.Candidates = candidates(b.Argv[0], b.Env)
	steps := []func(context.Context) error{d.identity, d.limits, d.network, d.files, d.listen, d.output}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			d.discard()
			return err
		}
	}
	return nil
}

// discard gives back what a sandbox that never came to be would have kept.
func (d *draft) discard() {
	d.fail.run()
	d.keep.run()
}

// identity takes the function's uid and the user namespace it is seen in.
func (d *draft) identity(ctx context.Context) error {
	if d.level != plan.Full {
		d.uid = os.Geteuid()
		return nil
	}
	ref := d.spec.Revision.Ref
	uid, err := d.e.uids.Acquire(ref)
	if err != nil {
		return err
	}
	d.keep.add(func() { d.e.uids.Release(ref) })
	fd, put, err := d.e.spaces.get(ctx, uid)
	if err != nil {
		return err
	}
	d.undo.add(put)
	d.uid, d.box.UID, d.box.UserNS = uid, uid, fd
	return nil
}

// limits makes the control group.
func (d *draft) limits(context.Context) error {
	t := d.e.groups
	d.fallbackLimits()
	if !t.Any() {
		return nil
	}
	g, err := t.Acquire(d.spec.Limits)
	if err != nil {
		return err
	}
	d.e.kick()
	d.group = g
	d.keep.add(func() { d.e.drop(g) })
	joiners, err := g.Joiners()
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	for _, j := range joiners {
		d.undo.closeFD(j.FD)
		d.box.Join = append(d.box.Join, plan.Join{FD: j.FD, Name: j.Name})
	}
	return nil
}

// fallbackLimits bounds with per-process limits what no control group bounds.
func (d *draft) fallbackLimits() {
	l, t := d.spec.Limits, d.e.groups
	if l.Memory > 0 && !t.Has("memory") {
		// Interpreters reserve far more than they use; this is the limit of
		// what one process may write to, so it has to be generous.
		d.box.Limits = append(d.box.Limits, capped("data", unix.RLIMIT_DATA, uint64(max(4*l.Memory, l.Memory+1<<30))))
	}
	if l.Pids > 0 && !t.Has("pids") && d.level == plan.User {
		// Counted for the user namespace of this one instance.
		d.box.Limits = append(d.box.Limits, capped("processes", unix.RLIMIT_NPROC, uint64(l.Pids)))
	}
}

func (d *draft) network(ctx context.Context) error {
	if d.level != plan.Full || d.e.cfg.Netns == nil {
		return nil
	}
	n, err := d.e.cfg.Netns.Acquire(ctx, d.spec.Network == fn.NetworkOn)
	if err != nil {
		return fmt.Errorf("getting a network: %w", err)
	}
	d.keep.add(n.Release)
	d.net, d.box.NetNS = n, n.FD()
	return nil
}

func (d *draft) output(context.Context) error {
	for _, s := range []struct {
		ours   *int
		theirs *int
	}{{&d.stdout, &d.box.Stdout}, {&d.stderr, &d.box.Stderr}} {
		ours, theirs, err := pipe()
		if err != nil {
			return fn.Errorf(fn.Exhausted, "making a pipe: %w", err)
		}
		d.fail.closeFD(ours)
		d.undo.closeFD(theirs)
		*s.ours, *s.theirs = ours, theirs
		if d.level == plan.Full {
			// So that a program may open /dev/stdout again.
			if err := unix.Fchown(theirs, d.uid, d.uid); err != nil {
				return fn.Errorf(fn.Internal, "giving a pipe to the function: %w", err)
			}
		}
	}
	return nil
}

// listen makes the socket of a handler.
func (d *draft) listen(context.Context) error {
	if d.spec.Program.Listen != fn.ListenSocket {
		return nil
	}
	listener, name, err := listenUnix(d.e.socketDir, d.spec.ID)
	if err != nil {
		return fn.Errorf(fn.Internal, "making the instance's socket: %w", err)
	}
	d.undo.closeFD(listener)
	d.keep.closeFD(name)
	d.socket, d.box.Listen = name, listener
	return nil
}
