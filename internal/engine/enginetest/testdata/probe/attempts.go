package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func attemptNames() []string { return slices.Sorted(maps.Keys(attempts())) }

var errNothing = errors.New("nothing found")

// attempts is all there is to try. None of them harms a host on which it
// succeeds.
func attempts() map[string]attempt {
	all := map[string]attempt{
		"see other processes": seeProcesses,
		"read hidden files":   readHidden,
		"read /etc/shadow": func(Host) (string, error) {
			return readable("/etc/shadow", "/proc/1/root/etc/shadow", "/../../../../etc/shadow")
		},
		"read the kernel's memory": func(Host) (string, error) {
			return readable("/proc/kcore", "/dev/mem", "/dev/kmem", "/dev/kmsg", "/proc/kmsg")
		},
		"memory of other processes": otherMemory,
		"signal the outside":        signalOutside,
		"connect to Unix sockets":   unixSockets,
		"abstract Unix socket":      abstractSocket,
		"connect to refused hosts":  refusedHosts,
		"see the host's name":       seeHostname,
		"environment":               environment,
		"inherited descriptors":     inheritedDescriptors,
		"capabilities":              capabilities,
		"new privileges":            privileges,
		"become root":               becomeRoot,
		"write to the system":       writeSystem,
		"open devices":              openDevices,
		"make devices":              makeDevices,
		"mount":                     mountSomething,
		"namespaces":                newNamespaces,
		"join namespaces":           joinNamespaces,
		"trace a process":           traceProcess,
		"type for the terminal":     typeForTerminal,
		"leave a chroot":            leaveChroot,
	}
	for name, a := range syscallAttempts() {
		all[name] = a
	}
	return all
}

func readable(paths ...string) (string, error) {
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			continue
		}
		b := make([]byte, 16)
		n, err := f.Read(b)
		f.Close()
		if n > 0 || errors.Is(err, unix.EISDIR) {
			return p, nil
		}
	}
	return "", errNothing
}

func readHidden(h Host) (string, error) {
	for _, p := range h.Hidden {
		for _, q := range []string{p, filepath.Join("/proc/1/root", p), filepath.Join("/proc/1/cwd", "../../../..", p), "/function/../" + p} {
			if _, err := os.Lstat(q); err == nil {
				return q, nil
			}
		}
	}
	return "", errNothing
}

func seeProcesses(h Host) (string, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return "", err
	}
	for _, d := range dirs {
		if b, err := os.ReadFile(d + "/cmdline"); err == nil && strings.Contains(string(b), h.Marker) {
			return d + " " + string(b), nil
		}
	}
	return "", fmt.Errorf("%d processes, none of the host's", len(dirs))
}

func otherMemory(h Host) (string, error) {
	for _, pid := range []int{1, h.Pid, os.Getppid()} {
		exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
		if err == nil && filepath.Base(exe) == filepath.Base(os.Args[0]) {
			continue // our own
		}
		if f, err := os.OpenFile("/proc/"+strconv.Itoa(pid)+"/mem", os.O_RDWR, 0); err == nil {
			f.Close()
			return f.Name(), nil
		}
	}
	return "", errNothing
}

func signalOutside(h Host) (string, error) {
	if err := unix.Kill(h.Pid, 0); err == nil {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(h.Pid) + "/cmdline")
		if !strings.HasPrefix(string(b), os.Args[0]) {
			return "signalled " + strconv.Itoa(h.Pid), nil
		}
	}
	return "", errNothing
}

func unixSockets(h Host) (string, error) {
	for _, s := range append(h.Sockets, "/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/systemd/private") {
		if c, err := net.Dial("unix", s); err == nil {
			c.Close()
			return s, nil
		}
	}
	return "", errNothing
}

func abstractSocket(h Host) (string, error) {
	c, err := net.Dial("unix", "@"+h.Abstract)
	if err != nil {
		return "", err
	}
	c.Close()
	return h.Abstract, nil
}

func refusedHosts(h Host) (string, error) {
	for _, a := range h.Refused {
		c, err := net.DialTimeout("tcp", a, 2*time.Second)
		if err == nil {
			c.Close()
			return a, nil
		}
	}
	return "", errNothing
}

func seeHostname(h Host) (string, error) {
	name, err := os.Hostname()
	if err == nil && name == h.Hostname {
		return name, nil
	}
	return "", fmt.Errorf("sees %q, %v", name, err)
}

func environment(h Host) (string, error) {
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); !slices.Contains(h.Allowed, k) {
			return kv, nil
		}
	}
	return "", errNothing
}

// inheritedDescriptors looks at the sandbox's first process, whose descriptors
// this one's parent got from the engine.
func inheritedDescriptors(Host) (string, error) {
	dir := "/proc/" + strconv.Itoa(os.Getppid()) + "/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		to, _ := os.Readlink(dir + "/" + e.Name())
		kind, _, _ := strings.Cut(to, ":")
		switch {
		case kind == "pipe", kind == "socket", to == "/dev/null", strings.HasPrefix(to, "/sys/fs/cgroup/cpu"): // the last one is its runtime's
		case kind == "anon_inode" && (strings.Contains(to, "eventpoll") || strings.Contains(to, "eventfd") || strings.Contains(to, "pidfd")):
		default:
			return e.Name() + " " + to, nil
		}
	}
	return "", fmt.Errorf("%d, all of them its own", len(entries))
}

func capabilities(Host) (string, error) {
	st := self(nil).Status
	for _, k := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if v, err := strconv.ParseUint(st[k], 16, 64); err != nil || v != 0 {
			return k + " " + st[k], nil
		}
	}
	return "", errNothing
}

func privileges(Host) (string, error) {
	st := self(nil).Status
	if st["NoNewPrivs"] != "1" {
		return "NoNewPrivs " + st["NoNewPrivs"], nil
	}
	if st["Seccomp"] != "2" {
		return "Seccomp " + st["Seccomp"], nil
	}
	return "", errors.New("no_new_privs and a filter")
}

func becomeRoot(Host) (string, error) {
	if os.Getuid() == 0 {
		return "is root", nil
	}
	if err := syscall.Setresuid(0, 0, 0); err == nil {
		return "setresuid", nil
	}
	if err := syscall.Setresgid(0, 0, 0); err == nil {
		return "setresgid", nil
	}
	if err := syscall.Setgroups([]int{0}); err == nil {
		return "setgroups", nil
	}
	if g, _ := os.Getgroups(); slices.Contains(g, 0) || os.Getgid() == 0 {
		return "is in root's group", nil
	}
	return "", errNothing
}

func writeSystem(Host) (string, error) {
	for _, p := range []string{"/x", "/usr/x", "/usr/bin/x", "/bin/x", "/lib/x", "/etc/x", "/function/x", "/var/x", "/proc/x", "/sys/x", "/dev/x", "/dev/shm/../x"} {
		if f, err := os.Create(p); err == nil {
			f.Close()
			_ = os.Remove(p)
			return "made " + p, nil
		}
	}
	for _, p := range []string{
		os.Args[0], "/etc/passwd", "/etc/resolv.conf", "/etc/hosts", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname",
		"/proc/sys/vm/overcommit_memory", "/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity",
		"/sys/kernel/uevent_helper", "/sys/power/state", "/sys/fs/cgroup/cgroup.procs",
		"/sys/fs/cgroup/memory/tasks", "/sys/fs/cgroup/unified/cgroup.procs",
	} {
		if f, err := os.OpenFile(p, os.O_WRONLY, 0); err == nil {
			f.Close()
			return "opened " + p, nil
		}
	}
	for _, p := range []string{"/function", "/usr", "/etc"} {
		// Its own mode again: harmless where the attempt succeeds.
		if info, err := os.Stat(p); err == nil && os.Chmod(p, info.Mode().Perm()) == nil {
			return "chmod " + p, nil
		}
	}
	return "", errNothing
}

func openDevices(Host) (string, error) {
	for _, pattern := range []string{"/dev/sd*", "/dev/vd*", "/dev/nvme*", "/dev/xvd*", "/dev/loop*", "/dev/dm-*", "/dev/mapper/*",
		"/dev/kvm", "/dev/net/tun", "/dev/fuse", "/dev/vsock", "/dev/vhost-*", "/dev/port", "/dev/autofs", "/dev/userfaultfd", "/dev/console", "/dev/tty*"} {
		names, _ := filepath.Glob(pattern)
		for _, n := range names {
			if f, err := os.OpenFile(n, os.O_RDONLY|unix.O_NONBLOCK, 0); err == nil {
				f.Close()
				return n, nil
			}
		}
	}
	return "", errNothing
}

func makeDevices(Host) (string, error) {
	for _, dev := range [][2]uint32{{1, 1}, {8, 0}, {254, 0}, {10, 232}} { // mem, sda, vda, kvm
		for i, mode := range []uint32{unix.S_IFBLK, unix.S_IFCHR} {
			p := fmt.Sprintf("/tmp/device-%d-%d-%d", dev[0], dev[1], i)
			if err := unix.Mknod(p, mode|0o666, int(unix.Mkdev(dev[0], dev[1]))); err != nil {
				continue
			}
			if f, err := os.OpenFile(p, os.O_RDONLY|unix.O_NONBLOCK, 0); err == nil {
				f.Close()
				_ = os.Remove(p)
				return p, nil
			}
			_ = os.Remove(p)
		}
	}
	return "", errNothing
}

func mountSomething(Host) (string, error) {
	_ = os.Mkdir("/tmp/mnt", 0o700)
	for name, f := range map[string]func() error{
		"tmpfs":   func() error { return unix.Mount("none", "/tmp/mnt", "tmpfs", 0, "") },
		"proc":    func() error { return unix.Mount("none", "/tmp/mnt", "proc", 0, "") },
		"bind":    func() error { return unix.Mount("/function", "/tmp/mnt", "", unix.MS_BIND, "") },
		"remount": func() error { return unix.Mount("", "/function", "", unix.MS_REMOUNT|unix.MS_BIND, "") },
		"umount":  func() error { return unix.Unmount("/function", unix.MNT_DETACH) },
		"fsopen":  func() error { fd, err := unix.Fsopen("tmpfs", 0); unix.Close(fd); return err },
		"open_tree": func() error {
			fd, err := unix.OpenTree(unix.AT_FDCWD, "/function", unix.OPEN_TREE_CLONE)
			unix.Close(fd)
			return err
		},
		"pivot_root": func() error { return unix.PivotRoot("/tmp", "/tmp/mnt") },
	} {
		if f() == nil {
			return name, nil
		}
	}
	return "", errNothing
}

func newNamespaces(Host) (string, error) {
	for name, flag := range map[string]uintptr{
		"user": unix.CLONE_NEWUSER, "mount": unix.CLONE_NEWNS, "net": unix.CLONE_NEWNET, "pid": unix.CLONE_NEWPID,
		"ipc": unix.CLONE_NEWIPC, "uts": unix.CLONE_NEWUTS, "cgroup": unix.CLONE_NEWCGROUP,
		"user and mount": unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
	} {
		c := exec.Command(os.Args[0], "exit", "0")
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flag}
		if c.Run() == nil {
			return name, nil
		}
		c = exec.Command(os.Args[0], "exit", "0")
		c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: flag}
		if c.Run() == nil {
			return name + " by unshare", nil
		}
	}
	return "", errNothing
}

func joinNamespaces(Host) (string, error) {
	for _, kind := range []string{"net", "uts", "ipc", "pid", "mnt", "user", "cgroup"} {
		fd, err := unix.Open("/proc/1/ns/"+kind, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		err = unix.Setns(fd, 0)
		unix.Close(fd)
		if err == nil {
			return kind, nil
		}
	}
	return "", errNothing
}

func traceProcess(Host) (string, error) {
	c := exec.Command(os.Args[0], "wait", "traced")
	if err := c.Start(); err != nil {
		return "", err
	}
	defer c.Wait()
	defer c.Process.Kill()
	const seize = 0x4206
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, seize, uintptr(c.Process.Pid), 0, 0, 0, 0); e == 0 {
		return "ptrace", nil
	}
	var b [8]byte
	local := []unix.Iovec{{Base: &b[0], Len: 8}}
	if _, err := unix.ProcessVMReadv(c.Process.Pid, local, []unix.RemoteIovec{{Base: ptr(&b[0]), Len: 8}}, 0); err == nil || errors.Is(err, unix.EFAULT) {
		return "process_vm_readv", nil
	}
	return "", errNothing
}

func typeForTerminal(Host) (string, error) {
	for _, p := range []string{"/dev/tty", "/dev/console", "/proc/self/fd/0", "/proc/1/fd/0"} {
		fd, err := unix.Open(p, unix.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			continue
		}
		defer unix.Close(fd)
		c := byte('#')
		if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCSTI, ptr(&c)); e == 0 {
			return p, nil
		}
	}
	return "", errNothing
}

// leaveChroot is the old trick: a second chroot, then up and up.
func leaveChroot(Host) (string, error) {
	_ = os.Mkdir("/tmp/jail", 0o700)
	root, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(root)
	if err := unix.Chroot("/tmp/jail"); err == nil {
		return "chroot is allowed", nil
	}
	// The root's parent must be the root itself.
	up, err := unix.Openat(root, "..", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(up)
	var a, b unix.Stat_t
	if unix.Fstat(root, &a) == nil && unix.Fstat(up, &b) == nil && (a.Ino != b.Ino || a.Dev != b.Dev) {
		return "there is something above /", nil
	}
	return "", errNothing
}
