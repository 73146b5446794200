package process

import (
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/cgroup"
	"rouse.dev/rouse/internal/engine/process/netns"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// instance is one sandbox. It implements engine.Instance, engine.Freezer and
// engine.Meter.
type instance struct {
	e      *Engine
	id     string
	listen fn.Listen

	started chan struct{} // closed when the fields below are set
	level   plan.Level
	limits  fn.Limits
	pid     int
	pidfd   int
	process *os.File      // the pidfd, for the poller
	group   *cgroup.Group // nil if there is none
	net     *netns.Netns  // nil if the engine has none
	socket  int
	port    int
	tmp     string
	marker  string // file that tells a later server about the process; "" if none is needed

	handles  sync.RWMutex // held to use pidfd, socket, net and group; released is set under it
	released bool

	mu     sync.Mutex // serialises Freeze, Thaw and signals
	frozen bool       // guarded by mu
	ended  string     // signal that Stop sent for the program: "terminated"; guarded by mu

	exit engine.Exit // written before done is closed
	done chan struct{}
}

var (
	_ engine.Instance = (*instance)(nil)
	_ engine.Freezer  = (*instance)(nil)
	_ engine.Meter    = (*instance)(nil)
)

func newInstance(e *Engine, s *engine.Spec) *instance {
	return &instance{
		e: e, id: s.ID, listen: s.Program.Listen, socket: -1, pidfd: -1,
		started: make(chan struct{}), done: make(chan struct{}),
	}
}

// ID implements engine.Instance.
func (i *instance) ID() string { return i.id }

// Done implements engine.Instance.
func (i *instance) Done() <-chan struct{} { return i.done }

// Exit implements engine.Instance.
func (i *instance) Exit() engine.Exit { return i.exit }

// watch waits for the process and then releases everything.
func (i *instance) watch(keep cleanup, out, errs *stream) {
	exit := i.wait()
	if i.level == plan.Landlock {
		i.killRest()
	}
	i.judge(&exit)
	out.finish()
	errs.finish()
	i.handles.Lock()
	i.released = true
	i.handles.Unlock()
	_ = i.process.Close()
	keep.run()
	i.unmark()
	i.exit = exit
	i.e.remove(i)
	close(i.done)
}

// wait reaps the process; no thread is blocked meanwhile. PID 1 of a
// namespace ends only after every other process in it.
func (i *instance) wait() engine.Exit {
	var info unix.Siginfo
	var ru unix.Rusage
	conn, err := i.process.SyscallConn()
	if err == nil {
		err = conn.Read(func(fd uintptr) bool {
			for {
				err = unix.Waitid(unix.P_PIDFD, int(fd), &info, unix.WEXITED|unix.WNOHANG, &ru)
				if err != syscall.EINTR {
					return err != syscall.EAGAIN && !(err == nil && info.Signo == 0)
				}
			}
		})
	}
	if err != nil {
		i.e.log.Error("cannot wait for an instance", "instance", i.id, "error", err)
	}
	return exitOf(&info, &ru)
}
