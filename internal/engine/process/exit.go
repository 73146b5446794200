package process

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
)

// childInfo is the part of the kernel's siginfo that tells about a child.
type childInfo struct {
	_      [3]int32 // signo, errno, code
	_      int32
	pid    int32
	uid    uint32
	status int32
}

// How a child ended.
const (
	childExited = 1 // CLD_EXITED; otherwise status is a signal
)

func exitOf(info *unix.Siginfo, ru *unix.Rusage) engine.Exit {
	status := (*childInfo)(unsafe.Pointer(info)).status
	e := engine.Exit{Code: int(status), CPU: time.Duration(ru.Utime.Nano() + ru.Stime.Nano())}
	if info.Code != childExited {
		e.Code, e.Signal = -1, syscall.Signal(status).String()
	}
	return e
}

// judge adds what the control group knows: the limit that ended it, if one
// did, and the processor time of all its processes.
func (i *instance) judge(exit *engine.Exit) {
	i.mu.Lock()
	ended := i.ended
	i.mu.Unlock()
	if ended != "" && exit.Signal == syscall.SIGKILL.String() {
		exit.Signal = ended
	}
	if i.group == nil {
		return
	}
	if cpu := i.group.Usage().CPU; cpu > 0 {
		exit.CPU = cpu
	}
	if exit.Code == 0 || ended != "" {
		return
	}
	ev := i.group.Events()
	switch {
	case ev.OOMKills > 0:
		exit.OOM, exit.Limit = true, "memory="+size(i.limits.Memory)
	case ev.PidsMax > 0:
		exit.Limit = fmt.Sprintf("pids=%d", i.limits.Pids)
	}
}

// size prints bytes as a function's author writes them.
func size(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "Gi"}, {1 << 20, "Mi"}, {1 << 10, "Ki"}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d%s", n/u.bytes, u.name)
		}
	}
	return fmt.Sprint(n)
}
