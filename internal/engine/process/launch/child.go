package launch

import (
	"syscall"
	"unsafe"
)

// These three belong to the runtime: they block signals around the fork, take
// care that the child cannot grow the borrowed stack, and give the child
// default signal handlers.

//go:linkname beforeFork syscall.runtime_BeforeFork
func beforeFork()

//go:linkname afterFork syscall.runtime_AfterFork
func afterFork()

//go:linkname afterForkInChild syscall.runtime_AfterForkInChild
func afterForkInChild()

//go:noescape
func rawVfork(trap, a1, a2, a3 uintptr) (pid, errno uintptr)

// Op is one system call, ready to be made.
type Op struct {
	Nr   uintptr
	Args [6]uintptr
	// In fills arguments from results of earlier calls.
	In [2]In
	// Out, if not nil, is where the result goes.
	Out *uintptr
	// Ignore holds errors that count as success; zero entries are unused.
	Ignore [4]syscall.Errno
}

// In says that argument Arg is the word at From. From nil: unused.
type In struct {
	Arg  uintptr
	From *uintptr
}

// progress is what the child leaves behind in shared memory.
type progress struct {
	step  uintptr       // index of the call it made last
	errno syscall.Errno // why it stopped there; 0 if it did not stop by itself
	done  uintptr       // 1 once every call succeeded without an exec
}

// exitFailed is the status of a child whose plan failed; nobody reads it.
const exitFailed = 253

// spawn makes the process. In the parent it returns as soon as the child has
// exec'd or exited. The child never returns from it: it must neither
// allocate, nor grow the stack, nor call anything that could be preempted, as
// it borrows the parent's memory and thread state.
//
//go:noinline
//go:norace
//go:nocheckptr
func spawn(c *call, ops []Op, p *progress) (pid, errno uintptr) {
	var (
		i, j int
		o    *Op
		r1   uintptr
		err  syscall.Errno
	)
	beforeFork()
	pid, errno = rawVfork(c.trap, c.a1, c.a2, c.a3)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	afterForkInChild()
loop:
	for i = range ops {
		o = &ops[i]
		p.step = uintptr(i)
		for j = 0; j < len(o.In); j++ {
			if o.In[j].From != nil {
				o.Args[o.In[j].Arg] = *o.In[j].From
			}
		}
		r1, _, err = syscall.RawSyscall6(o.Nr, o.Args[0], o.Args[1], o.Args[2], o.Args[3], o.Args[4], o.Args[5])
		if err != 0 {
			for j = range len(o.Ignore) {
				if o.Ignore[j] == err {
					continue loop
				}
			}
			p.errno = err
			break
		}
		if o.Out != nil {
			*o.Out = r1
		}
	}
	if p.errno == 0 {
		p.done = 1
	}
	for {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, exitFailed, 0, 0)
	}
}

// call is how to make the clone: clone3 with a struct where the kernel and
// whatever confines us allow it, else clone with registers.
type call struct{ trap, a1, a2, a3 uintptr }

// cloneArgs is the kernel's struct clone_args.
type cloneArgs struct {
	flags, pidfd, childTID, parentTID, exitSignal     uint64
	stack, stackSize, tls, setTID, setTIDSize, cgroup uint64
}

const (
	sysClone3       = 435 // the same on every architecture
	cloneIntoCgroup = 0x200000000
)

func (a *cloneArgs) call3() call {
	return call{trap: sysClone3, a1: uintptr(unsafe.Pointer(a)), a2: unsafe.Sizeof(*a)}
}

// call1 is the older form; it cannot place the child in a control group. The
// kernel returns the pidfd where it returned the parent's TID before.
func (a *cloneArgs) call1() call {
	return call{trap: syscall.SYS_CLONE, a1: uintptr(a.flags | a.exitSignal), a3: uintptr(a.pidfd)}
}
