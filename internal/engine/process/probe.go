package process

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// levels, strongest first.
var levels = [...]plan.Level{plan.Full, plan.User, plan.Landlock}

var levelTitle = map[plan.Level]string{
	plan.Full:     "sandbox with all namespaces (root)",
	plan.User:     "sandbox with user namespaces (unprivileged)",
	plan.Landlock: "sandbox with Landlock only (unprivileged)",
}

var levelFix = map[plan.Level]string{
	plan.Full:     "start the server as root",
	plan.User:     "allow unprivileged user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)",
	plan.Landlock: "use a kernel with Landlock (5.13 or newer, lsm=…,landlock)",
}

// probe builds an empty sandbox at each level until one works.
func (e *Engine) probe(ctx context.Context) error {
	var errs []error
	skip := e.cfg.Level != ""
	for _, l := range levels {
		if skip = skip && l != e.cfg.Level; skip {
			continue
		}
		err := e.tryLevel(ctx, l)
		c := engine.Check{Name: levelTitle[l], OK: err == nil}
		if err != nil {
			c.Detail, c.Fix = err.Error(), levelFix[l]
		}
		e.checks = append(e.checks, c)
		if err == nil {
			e.level = l
			if l != plan.Full && os.Geteuid() == 0 {
				e.log.Warn("this server is root but cannot make full sandboxes", "level", string(l), "reason", errors.Join(errs...))
			}
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", levelTitle[l], err))
	}
	return fn.WithHint(fn.Errorf(fn.Unavailable, "no function can be isolated on this host: %w", errors.Join(errs...)),
		"start the server as root, or allow user namespaces, or use a kernel with Landlock")
}

// tryLevel makes a sandbox that ends before it starts a program.
func (e *Engine) tryLevel(ctx context.Context, l plan.Level) error {
	switch {
	case l == plan.Full && os.Geteuid() != 0:
		return errors.New("not root")
	case l == plan.Landlock && e.landlock == 0:
		return errors.New("the kernel has no Landlock")
	case l == plan.User:
		if err := e.makeBase(); err != nil {
			return err
		}
	}
	spec := &engine.Spec{ID: "probe", Limits: fn.Default().Limits, Network: fn.NetworkOff}
	spec.Program = fn.Program{Command: []string{"true"}, Dir: "/", Listen: fn.ListenNone}
	d := &draft{e: e, spec: spec, level: l, box: plan.Box{Level: l}}
	defer d.undo.run()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	defer d.discard()
	p, firstExec := plan.Compile(&d.box)
	p.Steps = p.Steps[:firstExec]
	linked := p.Link()
	err := e.forkers.Run(ctx, d.request(p, linked, firstExec))
	if err != nil {
		return explain(p, err)
	}
	return nil
}

// makeBase lays out the root folder of unprivileged sandboxes.
func (e *Engine) makeBase() error {
	if e.base != "" {
		return nil
	}
	dir := e.cfg.path("base")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Chmod(dir, 0o755); err != nil {
		return err
	}
	c := e.cfg.view()
	if err := c.Populate(dir); err != nil {
		return fmt.Errorf("laying out the sandbox's root: %w", err)
	}
	e.base = dir
	return nil
}

// Report says what this host gives and why.
func (e *Engine) Report(ctx context.Context) engine.Report {
	r := engine.Report{Level: string(e.level), Checks: append([]engine.Check(nil), e.checks...)}
	r.Checks = append(r.Checks, engine.Check{Name: "system call filter", OK: true, Detail: fmt.Sprintf("%d instructions", len(e.filter.code))})
	ll := engine.Check{Name: "Landlock", OK: e.landlock > 1, Detail: fmt.Sprintf("ABI %d", e.landlock)}
	switch {
	case e.level == plan.Landlock && e.landlock < 6:
		ll.OK, ll.Fix = false, "functions could signal other processes of this user; use a kernel with Landlock ABI 6 (6.12 or newer)"
	case e.landlock < 2:
		ll.Fix = "a second wall is missing; use a kernel with Landlock (5.19 or newer)"
	}
	r.Checks = append(r.Checks, ll)
	r.Checks = append(r.Checks, e.groups.Checks()...)
	if e.cfg.Netns != nil && e.level == plan.Full {
		r.Checks = append(r.Checks, e.cfg.Netns.Checks(ctx)...)
	} else {
		r.Checks = append(r.Checks, e.networkCheck())
	}
	return r
}

func (e *Engine) networkCheck() engine.Check {
	c := engine.Check{Name: "outbound network"}
	switch e.level {
	case plan.User:
		c.Detail, c.Fix = "sandboxes have a loopback interface only", "start the server as root"
	case plan.Landlock:
		c.Detail, c.Fix = "sandboxes share the host's network, its own listeners included", "start the server as root"
	default:
		c.Detail = "switched off"
	}
	return c
}
