package process

import (
	"errors"
	"fmt"
	"syscall"

	"rouse.dev/rouse/internal/engine/process/launch"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// explain puts the name of the failed step into a launch error.
func explain(p *plan.Plan, err error) error {
	e, ok := errors.AsType[*launch.Error](err)
	switch {
	case !ok:
		return err
	case e.Step < 0:
		return fmt.Errorf("cloning: %w", e.Errno)
	case e.Errno == 0:
		return fmt.Errorf("%s: killed", p.Steps[e.Step].Name)
	}
	return fmt.Errorf("%s: %w", p.Steps[e.Step].Name, e.Errno)
}

// startError gives a failed start its kind: a program that is missing is the
// caller's mistake, a full host passes.
func startError(p *plan.Plan, firstExec int, b *plan.Box, err error) error {
	e, ok := errors.AsType[*launch.Error](err)
	if !ok {
		return err
	}
	cause := explain(p, err)
	switch e.Errno {
	case syscall.EAGAIN, syscall.ENOMEM, syscall.ENOSPC, syscall.EMFILE, syscall.ENFILE, syscall.EUSERS:
		return fn.WithHint(fn.Errorf(fn.Exhausted, "%w", cause), "the host is out of processes, memory or descriptors; remove instances or raise its limits")
	}
	if e.Step >= firstExec && e.Errno != 0 {
		return programError(b, e.Errno)
	}
	if e.Step >= 0 && p.Steps[e.Step].Call.Name == "chdir" {
		return fn.Errorf(fn.Invalid, "%w", cause)
	}
	return fn.Errorf(fn.Internal, "making the sandbox: %w", cause)
}

// programError says why the program cannot be executed.
func programError(b *plan.Box, errno syscall.Errno) error {
	name := b.Argv[0]
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		if len(b.Candidates) > 1 {
			return fn.WithHint(fn.Errorf(fn.Invalid, "no program %q in the PATH of the sandbox: %w", name, errno),
				"install %s on this host, or deploy it with the function", name)
		}
		return fn.WithHint(fn.Errorf(fn.Invalid, "starting %s: %w", name, errno),
			"the file, the interpreter its first line names, or its dynamic loader is missing")
	case syscall.EACCES:
		return fn.WithHint(fn.Errorf(fn.Invalid, "starting %s: %w", name, errno), "make the file executable (chmod +x)")
	case syscall.ENOEXEC:
		return fn.WithHint(fn.Errorf(fn.Invalid, "starting %s: %w", name, errno), "the file is neither a program for this machine nor a script with a #! line")
	case syscall.E2BIG:
		return fn.WithHint(fn.Errorf(fn.Invalid, "starting %s: %w", name, errno), "arguments and environment together are too large")
	}
	return fn.Errorf(fn.Invalid, "starting %s: %w", name, errno)
}
