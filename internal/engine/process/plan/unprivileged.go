package plan

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// user builds everything inside a user namespace of the child's own, from the
// folder Base that was laid out beforehand.
func (c *compiler) user() {
	b := c.box
	c.plan.Flags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUTS | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP
	c.writeFile("/proc/self/setgroups", "deny")
	c.writeFile("/proc/self/uid_map", fmt.Sprintf("%d %d 1", Inside, b.UID))
	c.writeFile("/proc/self/gid_map", fmt.Sprintf("%d %d 1", Inside, b.GID))
	c.loopback()
	c.add("making mounts private", sysMount, Str("none"), Str("/"), zero(), Flags(unix.MS_REC|unix.MS_PRIVATE, "MS_REC|MS_PRIVATE"), zero())
	c.bind(Bind{Source: b.Base, Target: "/"}, 0)
	for _, bind := range b.Binds {
		c.bind(bind, unix.MS_REC)
	}
	for _, dev := range b.Devices {
		c.add("mounting "+dev, sysMount, Str(dev), Str(b.Base+dev), zero(), Flags(unix.MS_BIND, "MS_BIND"), zero())
	}
	c.tmpfs(b.Base + "/tmp")
	c.proc(b.Base+"/proc", b.Base+"/dev/null", b.Base+"/var/empty")
	c.folders(b.Base)
	c.pivot()
	c.hostname()
	c.privileges()
	c.ruleset(c.boxRules())
	c.stdio()
	c.chdir()
	c.filter()
}

// bind mounts a host path below Base and restricts it, with all that is
// mounted beneath.
func (c *compiler) bind(b Bind, rec uint64) {
	at := c.box.Base + b.Target
	if b.Target == "/" {
		at = c.box.Base
	}
	c.add("mounting "+b.Target, sysMount, Str(b.Source), Str(at), zero(), Flags(unix.MS_BIND|rec, "MS_BIND|"+fmt.Sprint(rec)), zero())
	set := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV) // device nodes are mounts of their own
	if !b.Writable {
		set |= unix.MOUNT_ATTR_RDONLY
	}
	c.add("restricting the mount at "+b.Target, sysMountSetattr, atCwd(), Str(at), Flags(unix.AT_RECURSIVE, "AT_RECURSIVE"),
		Bytes(u64s(set, 0, 0, 0), fmt.Sprintf("set %#x", set)), Num(32))
}

func (c *compiler) pivot() {
	c.add("changing to the new root", sysChdir, Str(c.box.Base))
	c.add("changing the root", sysPivotRoot, Str("."), Str("."))
	c.add("leaving the old root", sysUmount, Str("."), Flags(unix.MNT_DETACH, "MNT_DETACH"))
	c.add("changing to /", sysChdir, Str("/"))
}

// loopback brings the interface "lo" of the new network namespace up.
func (c *compiler) loopback() {
	fd := c.slot(c.add("opening a socket", sysSocket, Flags(unix.AF_INET, "AF_INET"),
		Flags(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, "SOCK_DGRAM|SOCK_CLOEXEC"), zero()))
	ifreq := make([]byte, 40)
	copy(ifreq, "lo")
	ifreq[16] = unix.IFF_UP
	c.add("bringing the loopback interface up", sysIoctl, Slot(fd), Flags(unix.SIOCSIFFLAGS, "SIOCSIFFLAGS"), Bytes(ifreq, "lo up"))
}

// bare has no namespaces: the program sees the host's files as far as
// Landlock lets it.
func (c *compiler) bare() {
	b := c.box
	rules := []pathRule{{path: b.TmpDir, access: fsAll}}
	for _, bind := range b.Binds {
		access := uint64(fsExec)
		if bind.Writable {
			access = fsAll
		}
		rules = append(rules, pathRule{path: bind.Source, access: access, file: bind.File})
	}
	for _, dev := range b.Devices {
		rules = append(rules, pathRule{path: dev, access: fsRead | fsWrite, file: true})
	}
	if b.UID == 0 {
		c.privileges() // root in a container: it may not mount, but keeps other rights
	} else {
		c.noNewPrivs()
	}
	c.ruleset(rules)
	c.stdio()
	c.chdir()
	c.filter()
}
