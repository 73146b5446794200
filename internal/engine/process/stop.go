package process

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine/process/plan"
)

// Stop implements engine.Instance.
func (i *instance) Stop(ctx context.Context, grace time.Duration) error {
	if grace > 0 && i.graceful(ctx, grace) {
		return nil
	}
	i.kill()
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping %s: %w", i.id, context.Cause(ctx))
	}
}

// relook is how often Stop looks whether the program can still end by itself.
const relook = 50 * time.Millisecond

// graceful asks the program to end and says whether it did.
func (i *instance) graceful(ctx context.Context, grace time.Duration) bool {
	first, ok := i.terminate()
	if !ok {
		return false
	}
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	tick := time.NewTicker(relook)
	defer tick.Stop()
	for {
		select {
		case <-i.done:
			return true
		case <-ctx.Done():
			return false
		case <-timeout.C:
			return false
		case <-tick.C:
		}
		now := i.disposition()
		// A program that gave up its handler is at work on its end. One that
		// replaced itself by another, or had the signal blocked, never saw it.
		if now.fatal && (first.blocked || now.program != first.program) {
			i.setEnded()
			return false
		}
	}
}

// terminate sends SIGTERM. False means that asking is pointless.
func (i *instance) terminate() (disposition, bool) {
	i.mu.Lock()
	err := i.thawLocked()
	i.mu.Unlock()
	if err != nil {
		return disposition{}, false
	}
	d := i.disposition()
	if d.fatal {
		i.setEnded()
		return d, false
	}
	return d, i.signal(unix.SIGTERM) == nil
}

// setEnded notes that the program is killed in the way SIGTERM would have.
func (i *instance) setEnded() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ended = syscall.SIGTERM.String()
}

// kill ends the sandbox at once; it may be called at any time.
func (i *instance) kill() {
	<-i.started
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = i.signal(unix.SIGKILL)
	_ = i.thawLocked() // a frozen process cannot die everywhere
}

// signal goes to the first process, never to another that got its number.
func (i *instance) signal(s unix.Signal) error {
	i.handles.RLock()
	defer i.handles.RUnlock()
	if i.released {
		return os.ErrProcessDone
	}
	return unix.PidfdSendSignal(i.pidfd, s, nil, 0)
}

// disposition is what SIGTERM would do to the first process. The kernel drops
// signals to the first process of a namespace unless it handles them: what the
// default would have done, we do.
type disposition struct {
	fatal   bool   // neither handled nor ignored nor blocked, and dropped by the kernel
	blocked bool   // held back for now
	program string // the file it runs
}

func (i *instance) disposition() disposition {
	proc := "/proc/" + strconv.Itoa(i.pid)
	status, err := os.ReadFile(proc + "/status")
	if err != nil || i.level == plan.Landlock {
		return disposition{}
	}
	program, _ := os.Readlink(proc + "/exe")
	d := disposition{program: program, fatal: true}
	const term = 1 << (unix.SIGTERM - 1)
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigIgn" && name != "SigCgt" && name != "SigBlk" {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil || set&term != 0 {
			d.fatal = false
			d.blocked = d.blocked || name == "SigBlk"
		}
	}
	return d
}

// killRest ends what a sandbox without a process namespace leaves behind.
func (i *instance) killRest() {
	if i.group != nil {
		i.group.Kill()
	}
	for range 100 {
		pids := session(i.pid)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
	i.e.log.Warn("processes of an instance would not die", "instance", i.id)
}
