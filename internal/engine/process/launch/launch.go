package launch

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Request is one process to make.
type Request struct {
	// Flags are CLONE_NEW* and CLONE_FILES; sharing memory, suspending the
	// parent and the pidfd are added.
	Flags uintptr
	// Cgroup is a descriptor of the v2 control group the process is born in;
	// -1: the caller's.
	Cgroup int
	// Ops are the calls it makes.
	Ops []Op
	// Exec is the index of the first execve, with Forkers.Exec. All ops from
	// there on are one, and the first that succeeds counts.
	Exec int
	// Keep is whatever memory the ops point into.
	Keep any
}

// Process is a child that has exec'd.
type Process struct {
	PID   int
	PidFD int // owned by the caller, close-on-exec
}

// Error says at which call a child gave up.
type Error struct {
	Step  int           // index into Request.Ops; -1 if the clone itself failed
	Errno syscall.Errno // 0: it was killed there
}

func (e *Error) Error() string {
	if e.Errno == 0 {
		return fmt.Sprintf("step %d: killed", e.Step)
	}
	return fmt.Sprintf("step %d: %v", e.Step, e.Errno)
}

// Unwrap returns the errno.
func (e *Error) Unwrap() error { return e.Errno }

// start makes the process on the calling thread. With exec set, anything but
// a successful exec is an *Error, and the child is reaped. Without, the child
// is reaped always, and Process is empty.
func start(req *Request, exec bool) (Process, error) {
	p := new(progress)
	pidfd := new(int32)
	*pidfd = -1
	args := &cloneArgs{
		flags:      uint64(req.Flags) | syscall.CLONE_VM | syscall.CLONE_VFORK | unix.CLONE_PIDFD,
		pidfd:      uint64(uintptr(unsafe.Pointer(pidfd))),
		exitSignal: uint64(syscall.SIGCHLD),
	}
	c := args.call1()
	if req.Cgroup >= 0 {
		args.flags |= cloneIntoCgroup
		args.cgroup = uint64(req.Cgroup)
		c = args.call3()
	}
	pid, errno := spawn(&c, req.Ops, p)
	afterFork()
	runtime.KeepAlive(args)
	runtime.KeepAlive(pidfd)
	runtime.KeepAlive(req.Keep)
	if errno != 0 {
		return Process{}, &Error{Step: -1, Errno: syscall.Errno(errno)}
	}
	proc := Process{PID: int(pid), PidFD: int(*pidfd)}
	if exec && p.errno == 0 && p.done == 0 && int(p.step) >= req.Exec {
		return proc, nil
	}
	return Process{}, errors.Join(p.verdict(exec, len(req.Ops)), reap(proc))
}

// verdict says how a child that is gone did.
func (p *progress) verdict(exec bool, n int) error {
	if p.done == 1 && !exec {
		return nil
	}
	if p.done == 1 {
		return &Error{Step: n - 1, Errno: syscall.ENOEXEC}
	}
	return &Error{Step: int(p.step), Errno: p.errno}
}

// reap waits for a child that has already ended, and closes its pidfd.
func reap(proc Process) error {
	defer syscall.Close(proc.PidFD)
	for {
		err := unix.Waitid(unix.P_PIDFD, proc.PidFD, nil, unix.WEXITED, nil)
		if err != syscall.EINTR {
			return err
		}
	}
}
