package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// UserNS makes a user namespace that holds one uid and one gid of the host,
// seen as Inside by whoever enters it. It runs with shared descriptors, so the
// one in the returned slot is the parent's afterwards.
//
// The child maps itself: it must be the owner to be allowed to, and what it
// may open of its own /proc folder depends on the dumpable flag, which
// changing the uid cleared.
func UserNS(uid, gid int) (p *Plan, slot int) {
	c := &compiler{box: &Box{}, plan: &Plan{Flags: unix.CLONE_FILES}}
	c.add("dropping groups", sysSetgroups, zero(), zero())
	c.add("taking the group", sysSetresgid, Num(uint64(gid)), Num(uint64(gid)), Num(uint64(gid)))
	c.add("taking the user", sysSetresuid, Num(uint64(uid)), Num(uint64(uid)), Num(uint64(uid)))
	c.add("becoming readable to itself", sysPrctl, Flags(unix.PR_SET_DUMPABLE, "PR_SET_DUMPABLE"), Num(1), zero(), zero(), zero())
	c.add("making the user namespace", sysUnshare, Flags(unix.CLONE_NEWUSER, "CLONE_NEWUSER"))
	c.writeFile("/proc/self/setgroups", "deny")
	c.writeFile("/proc/self/uid_map", fmt.Sprintf("%d %d 1", Inside, uid))
	c.writeFile("/proc/self/gid_map", fmt.Sprintf("%d %d 1", Inside, gid))
	slot = c.open("opening the user namespace", "/proc/self/ns/user", unix.O_RDONLY, "O_RDONLY")
	return c.plan, slot
}

// Socket makes a TCP socket inside the network namespace of the process behind
// a pidfd: that is how the server reaches a program that listens in there. An
// unprivileged server has to enter the user namespace too. It runs with
// shared descriptors, like UserNS.
func Socket(pidfd int, user bool) (p *Plan, slot int) {
	c := &compiler{box: &Box{}, plan: &Plan{Flags: unix.CLONE_FILES}}
	spaces := Flags(unix.CLONE_NEWNET, "CLONE_NEWNET")
	if user {
		spaces = Flags(unix.CLONE_NEWUSER|unix.CLONE_NEWNET, "CLONE_NEWUSER|CLONE_NEWNET")
	}
	c.add("entering the sandbox's network", sysSetns, FD(pidfd, "process"), spaces)
	slot = c.slot(c.add("opening a socket", sysSocket, Flags(unix.AF_INET, "AF_INET"),
		Flags(unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, "SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK"), zero()))
	return c.plan, slot
}
