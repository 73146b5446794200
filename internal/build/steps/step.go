package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

var (
	errTooSlow = errors.New("the build took too long")
	errTooBig  = errors.New("the build wrote too much")
)

// step runs one step in a sandbox and waits for its end.
func (b *Builder) step(ctx context.Context, w *work, n int, step runtimes.Step, out *output) error {
	began := time.Now()
	out.begin(step.Name)
	spec, err := b.spec(w, n, step)
	if err != nil {
		return err
	}
	stdout, stderr := out.writer(), out.writer()
	spec.Stdout, spec.Stderr = stdout, stderr
	inst, err := b.cfg.Runner.Start(ctx, spec)
	if err != nil {
		if ctx.Err() != nil {
			return b.stopped(ctx, w.req.Ref, step, out)
		}
		return fmt.Errorf("starting build step %s: %w", step.Name, err)
	}
	select {
	case <-inst.Done():
	case <-ctx.Done():
		// The sandbox must be gone before its folders are.
		if err := inst.Stop(context.WithoutCancel(ctx), 0); err != nil {
			return fn.Errorf(fn.Internal, "stopping build step %s: %w", step.Name, err)
		}
	}
	stdout.flush()
	stderr.flush()
	if ctx.Err() != nil {
		return b.stopped(ctx, w.req.Ref, step, out)
	}
	if err := failure(w.req.Ref, step, inst.Exit(), out.tail()); err != nil {
		return err
	}
	out.event(build.Event{Step: step.Name, Done: true, Took: time.Since(began)})
	return nil
}

// spec describes the sandbox of one step. The user is the same for all builds
// of a namespace with one runtime, so that they can share a cache.
func (b *Builder) spec(w *work, n int, step runtimes.Step) (engine.Spec, error) {
	command := w.values.All(step.Run)
	if at, ok := w.plan.Programs[command[0]]; ok {
		command[0] = at
	} else if !strings.Contains(command[0], "/") {
		return engine.Spec{}, fn.Errorf(fn.Internal, "runtime %s: build step %s runs %s, which it does not require", w.plan.Runtime.Name, step.Name, command[0])
	}
	env := map[string]string{
		"PATH": strings.Join(b.cfg.Runtimes.SearchPath(w.plan.Runtime), ":"),
		"HOME": buildDir + "/home", "TMPDIR": buildDir + "/tmp", "LANG": "C.UTF-8",
	}
	maps.Copy(env, b.cfg.Env)
	maps.Copy(env, w.values.Map(step.Env))
	dir := w.values.In(step.Cwd)
	if dir == "" {
		dir = buildDir
	}
	return engine.Spec{
		ID:       fmt.Sprintf("%s-%d", w.id, n),
		Revision: fn.RevisionRef{Ref: fn.Ref{Namespace: w.req.Ref.Namespace, Name: "build." + w.plan.Runtime.Name}},
		Root:     w.tools,
		Program:  fn.Program{Command: command, Dir: dir, Listen: fn.ListenNone, Contract: "none"},
		Env:      env,
		Limits:   b.cfg.Limits,
		Network:  fn.NetworkOn,
		Mounts: []engine.Mount{
			{Source: w.build, Target: buildDir, Writable: true},
			{Source: w.cache, Target: cacheDir, Writable: true},
		},
	}, nil
}

// failure says how a step ended, nil if well.
func failure(ref fn.Ref, step runtimes.Step, exit engine.Exit, last []string) error {
	f := &fn.Failure{Kind: fn.Invalid, Phase: build.Phase, Cause: "build-failed", Output: last, Limit: exit.Limit}
	switch {
	case exit.OOM:
		f.Exit = "out of memory"
		if exit.Limit != "" {
			f.Exit += " (limit " + exit.Limit + ")"
		}
		f.Cause, f.Hint = "build-oom", "give builds more memory (build.memory), or build with fewer parallel jobs"
	case exit.Signal != "":
		f.Exit = "signal: " + exit.Signal
	case exit.Code != 0:
		f.Exit = fmt.Sprintf("exit status %d", exit.Code)
	default:
		return nil
	}
	f.Message = fmt.Sprintf("build step %s failed: %s", step.Name, f.Exit)
	if f.Hint == "" {
		f.Hint = seeAll(ref)
	}
	if len(last) > 0 {
		f.Err = errors.New(strings.Join(last, "\n"))
	}
	return f
}

// seeAll is the hint where there is no better one.
func seeAll(ref fn.Ref) string {
	name := ref.String()
	if ref.Namespace == fn.DefaultNamespace {
		name = ref.Name
	}
	return "see all of its output with: rouse logs " + name + " --build"
}

// stopped says why a step was ended.
func (b *Builder) stopped(ctx context.Context, ref fn.Ref, step runtimes.Step, out *output) error {
	f := &fn.Failure{Kind: fn.Canceled, Phase: build.Phase, Cause: "build-canceled", Output: out.tail(), Err: context.Cause(ctx)}
	f.Message = fmt.Sprintf("build step %s was stopped", step.Name)
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTooSlow):
		f.Kind, f.Cause, f.Limit = fn.Timeout, "build-timeout", "timeout="+b.cfg.Limits.Timeout.String()
		f.Hint = "give builds more time (limits.buildTimeout)"
	case errors.Is(cause, errTooBig):
		f.Kind, f.Cause, f.Limit = fn.TooLarge, "build-disk", "disk="+fn.FormatBytes(b.cfg.MaxWork)
		f.Hint = seeAll(ref)
	}
	return f
}
