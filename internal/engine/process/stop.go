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
	if grace > 0 && i.terminate() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-i.done:
			return nil
		case <-ctx.Done():
		case <-t.C:
		}
	}
	i.kill()
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping %s: %w", i.id, context.Cause(ctx))
	}
}

// terminate asks the program to end. False means that asking is pointless.
func (i *instance) terminate() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.thawLocked(); err != nil {
		return false
	}
	if i.level != plan.Landlock && i.defaultsToDie() {
		// The kernel drops signals to the first process of a namespace unless
		// it handles them. What the default would have done, we do.
		i.ended = syscall.SIGTERM.String()
		return false
	}
	return i.signal(unix.SIGTERM) == nil
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

// defaultsToDie says that the program neither handles nor ignores SIGTERM.
func (i *instance) defaultsToDie() bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(i.pid) + "/status")
	if err != nil {
		return false
	}
	const term = 1 << (unix.SIGTERM - 1)
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigIgn" && name != "SigCgt" && name != "SigBlk" {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil || set&term != 0 {
			return false
		}
	}
	return true
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
