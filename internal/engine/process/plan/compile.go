package plan

import (
	"fmt"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Compile turns a box into the calls that build it. FirstExec is the index of
// the first attempt to start the program.
func Compile(b *Box) (p *Plan, firstExec int) {
	c := &compiler{box: b, plan: &Plan{}}
	c.join()
	c.add("starting a session", sysSetsid)
	c.rlimits()
	c.schedule()
	switch b.Level {
	case Full:
		c.full()
	case User:
		c.user()
	case Landlock:
		c.bare()
	}
	return c.plan, c.exec()
}

type compiler struct {
	box  *Box
	plan *Plan
}

func (c *compiler) add(name string, call Call, args ...Arg) *Step {
	c.plan.Steps = append(c.plan.Steps, Step{Name: name, Call: call, Args: args})
	return &c.plan.Steps[len(c.plan.Steps)-1]
}

// slot makes the step's result available to later ones.
func (c *compiler) slot(s *Step) int {
	c.plan.Slots++
	s.Save = c.plan.Slots
	return s.Save
}

// open returns the slot of a descriptor.
func (c *compiler) open(name, path string, flags uint64, text string) int {
	return c.slot(c.add(name, sysOpenat, atCwd(), Str(path), Flags(flags|unix.O_CLOEXEC, text+"|O_CLOEXEC"), zero()))
}

func (c *compiler) openPath(path string) int {
	return c.open("opening "+path, path, unix.O_PATH, "O_PATH")
}

// writeFile writes to a file of /proc.
func (c *compiler) writeFile(path, text string) {
	fd := c.open("opening "+path, path, unix.O_WRONLY, "O_WRONLY")
	c.add("writing "+path, sysWrite, Slot(fd), Bytes([]byte(text), text), Num(uint64(len(text))))
	c.add("closing "+path, sysClose, Slot(fd))
}

// join moves the child into its control groups. "0" means the writer itself,
// which spares the kernel the lock that moving another process takes.
func (c *compiler) join() {
	for _, j := range c.box.Join {
		c.add("joining the "+j.Name+" control group", sysWrite, FD(j.FD, j.Name+" tasks"), Bytes([]byte("0"), "0"), Num(1))
	}
	if c.box.OOMScore > 0 {
		c.writeFile("/proc/self/oom_score_adj", strconv.Itoa(c.box.OOMScore))
	}
}

func (c *compiler) rlimits() {
	for _, l := range c.box.Limits {
		c.add("limiting "+l.Name, sysPrlimit, zero(), Num(uint64(l.Resource)),
			Bytes(u64s(l.Max, l.Max), fmt.Sprintf("%s %d", l.Name, l.Max)), zero())
	}
	c.add("setting the file mode mask", sysUmask, Flags(0o022, "022"))
}

// schedule makes the program's threads batch threads: they get the same share
// of the processors, but do not interrupt whatever runs when they wake. Without
// it each piece of a request that the server passes on makes the scheduler
// switch to the function at once, in the middle of what the server does for
// others: that costs both of them a third of their throughput.
func (c *compiler) schedule() {
	c.add("scheduling as batch", sysSetscheduler, zero(), Flags(unix.SCHED_BATCH, "SCHED_BATCH"), Bytes(make([]byte, 4), "priority 0"))
}

// full enters prepared namespaces; see package view for what is in View.
func (c *compiler) full() {
	b := c.box
	c.plan.Flags = unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if b.NetNS >= 0 {
		c.add("entering the network namespace", sysSetns, FD(b.NetNS, "network namespace"), Flags(unix.CLONE_NEWNET, "CLONE_NEWNET"))
	} else {
		c.plan.Flags |= unix.CLONE_NEWNET
		c.loopback()
	}
	c.add("entering the prepared mounts", sysSetns, FD(b.View, "view"), Flags(unix.CLONE_NEWNS, "CLONE_NEWNS"))
	c.add("copying the prepared mounts", sysUnshare, Flags(unix.CLONE_NEWNS|unix.CLONE_NEWCGROUP, "CLONE_NEWNS|CLONE_NEWCGROUP"))
	c.tmpfs("/tmp")
	c.proc("/proc", "/dev/null", "/var/empty")
	for _, t := range b.Trees {
		c.add("mounting "+t.Target, sysMoveMount, FD(t.FD, "tree of "+t.Target), Str(""), atCwd(), Str(t.Target),
			Flags(unix.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"))
	}
	c.folders("")
	c.hostname()
	c.add("dropping groups", sysSetgroups, zero(), zero())
	c.add("entering the user namespace", sysSetns, FD(b.UserNS, "user namespace"), Flags(unix.CLONE_NEWUSER, "CLONE_NEWUSER"))
	c.add("taking the function's group", sysSetresgid, Num(Inside), Num(Inside), Num(Inside))
	c.add("taking the function's user", sysSetresuid, Num(Inside), Num(Inside), Num(Inside))
	c.privileges()
	c.ruleset(c.boxRules())
	c.stdio()
	c.chdir()
	c.filter()
}

func (c *compiler) tmpfs(target string) {
	// An inode costs the kernel about a kilobyte that no limit of ours sees
	// where control groups are missing, so their number is bounded too.
	inodes := max(1024, c.box.Tmp/4096)
	opts := fmt.Sprintf("size=%d,nr_inodes=%d,mode=1777", c.box.Tmp, inodes)
	c.add("mounting "+target, sysMount, Str("tmpfs"), Str(target), Str("tmpfs"),
		Flags(unix.MS_NOSUID|unix.MS_NODEV, "MS_NOSUID|MS_NODEV"), Str(opts))
}

// proc mounts a fresh, read-only /proc and hides the parts of it that tell
// about the host.
func (c *compiler) proc(target, null, empty string) {
	c.add("mounting "+target, sysMount, Str("proc"), Str(target), Str("proc"),
		Flags(unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, "MS_NOSUID|MS_NODEV|MS_NOEXEC|MS_RDONLY"), zero())
	for _, m := range c.box.Masks {
		src := null
		if m.Dir {
			src = empty
		}
		c.add("hiding "+m.Path, sysMount, Str(src), Str(target+m.Path), zero(), Flags(unix.MS_BIND, "MS_BIND"), zero())
	}
}

func (c *compiler) hostname() {
	h := c.box.Hostname
	c.add("setting the host name", sysSethostname, Bytes([]byte(h), h), Num(uint64(len(h))))
}

func (c *compiler) chdir() {
	c.add("changing to folder "+c.box.Dir, sysChdir, Str(c.box.Dir))
}

// stdio puts the four descriptors a program gets in place and marks every
// other one to be closed by the exec. Sources are above 3.
func (c *compiler) stdio() {
	b := c.box
	first := uint64(3)
	for i, fd := range []int{b.Stdin, b.Stdout, b.Stderr, b.Listen} {
		if fd < 0 {
			continue
		}
		name := [...]string{"standard input", "standard output", "standard error", "the listening socket"}[i]
		c.add("passing "+name, sysDup3, FD(fd, name), Num(uint64(i)), zero())
		first = max(first, uint64(i)+1)
	}
	c.add("closing other descriptors", sysCloseRange, Num(first), Flags(^uint64(0)>>32, "~0"),
		Flags(unix.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"))
}

func (c *compiler) filter() {
	f := c.box.Filter
	c.add("installing the system call filter", sysSeccomp, Flags(1, "SECCOMP_SET_MODE_FILTER"), zero(),
		Ptr(f.Prog, "filter"))
}

// exec tries each path the program may have.
func (c *compiler) exec() (first int) {
	b := c.box
	first = len(c.plan.Steps)
	for i, path := range b.Candidates {
		s := c.add("starting "+path, sysExecve, Str(path), Vec(b.Argv, ""), Vec(b.Env, "environment"))
		if i < len(b.Candidates)-1 {
			s.Ignore = []syscall.Errno{syscall.ENOENT, syscall.ENOTDIR, syscall.EACCES}
		}
	}
	return first
}
