// Command probe is a program of the tests: run inside a sandbox, it tries
// what must not work and prints, for each attempt, its name and "refused" or
// what it got.
package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	switch os.Args[1] {
	case "calls":
		calls()
	case "files":
		files(os.Args[2:])
	case "ignore-term":
		ignoreTerm()
	case "deaf-to-parent":
		// Gives up the signal that would end it with the server.
		syscall.RawSyscall(syscall.SYS_PRCTL, 1, 0, 0)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "threads":
		threads()
	case "dial":
		dial(os.Args[2:])
	case "count":
		for n := uint64(0); ; n++ {
			if n%(1<<20) == 0 {
				fmt.Println(n)
			}
		}
	default:
		fmt.Println("unknown attempt")
		os.Exit(2)
	}
}

func report(name string, errno syscall.Errno) {
	if errno != 0 {
		fmt.Printf("%s: refused (%v)\n", name, errno)
		return
	}
	fmt.Printf("%s: GRANTED\n", name)
}

// keep holds what only system calls know the address of.
var keep []any

func str(s string) uintptr {
	b := append([]byte(s), 0)
	keep = append(keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// calls makes system calls that a function must not have.
func calls() {
	type attempt struct {
		name string
		nr   uintptr
		args [5]uintptr
	}
	buf := make([]byte, 4096)
	p := uintptr(unsafe.Pointer(&buf[0]))
	for _, a := range []attempt{
		{"mount", syscall.SYS_MOUNT, [5]uintptr{str("none"), str("/tmp"), str("tmpfs"), 0, 0}},
		{"umount", syscall.SYS_UMOUNT2, [5]uintptr{str("/tmp"), 2}},
		{"pivot_root", syscall.SYS_PIVOT_ROOT, [5]uintptr{str("/tmp"), str("/tmp")}},
		{"chroot", syscall.SYS_CHROOT, [5]uintptr{str("/tmp")}},
		{"unshare user", syscall.SYS_UNSHARE, [5]uintptr{syscall.CLONE_NEWUSER}},
		{"unshare net", syscall.SYS_UNSHARE, [5]uintptr{syscall.CLONE_NEWNET}},
		{"clone user", syscall.SYS_CLONE, [5]uintptr{syscall.CLONE_NEWUSER | uintptr(syscall.SIGCHLD)}},
		{"clone pid", syscall.SYS_CLONE, [5]uintptr{syscall.CLONE_NEWPID | uintptr(syscall.SIGCHLD)}},
		{"clone3", 435, [5]uintptr{p, 88}},
		{"setns", 308 + nsDelta, [5]uintptr{3, 0}},
		{"ptrace", syscall.SYS_PTRACE, [5]uintptr{16, 1}},
		{"process_vm_readv", readvNr, [5]uintptr{1, p, 1, p, 1}},
		{"init_module", syscall.SYS_INIT_MODULE, [5]uintptr{p, 16, p}},
		{"finit_module", finitNr, [5]uintptr{0, p, 0}},
		{"kexec_load", syscall.SYS_KEXEC_LOAD, [5]uintptr{0, 0, 0, 0}},
		{"bpf", bpfNr, [5]uintptr{0, p, 72}},
		{"perf_event_open", syscall.SYS_PERF_EVENT_OPEN, [5]uintptr{p, 0, ^uintptr(0), ^uintptr(0), 0}},
		{"userfaultfd", userfaultNr, [5]uintptr{1}},
		{"io_uring_setup", 425, [5]uintptr{1, p}},
		{"keyctl", syscall.SYS_KEYCTL, [5]uintptr{0, ^uintptr(2), 1}},
		{"add_key", syscall.SYS_ADD_KEY, [5]uintptr{str("user"), str("a"), p, 4, ^uintptr(3)}},
		{"open_by_handle_at", handleNr, [5]uintptr{3, p, 0}},
		{"fsopen", 430, [5]uintptr{str("tmpfs")}},
		{"open_tree", 428, [5]uintptr{^uintptr(99), str("/"), 1}},
		{"move_mount", 429, [5]uintptr{^uintptr(99), str("/"), ^uintptr(99), str("/tmp")}},
		{"mount_setattr", 442, [5]uintptr{^uintptr(99), str("/"), 0, p, 32}},
		{"pidfd_getfd", 438, [5]uintptr{3, 0, 0}},
		{"reboot", syscall.SYS_REBOOT, [5]uintptr{0xfee1dead, 672274793, 0}},
		{"sethostname", syscall.SYS_SETHOSTNAME, [5]uintptr{str("x"), 1}},
		{"settimeofday", syscall.SYS_SETTIMEOFDAY, [5]uintptr{p, 0}},
		{"swapon", syscall.SYS_SWAPON, [5]uintptr{str("/tmp/x"), 0}},
		{"acct", syscall.SYS_ACCT, [5]uintptr{str("/tmp/x")}},
		{"syslog", syscall.SYS_SYSLOG, [5]uintptr{3, p, 100}},
		{"quotactl", syscall.SYS_QUOTACTL, [5]uintptr{0, 0, 0, 0}},
		{"personality", syscall.SYS_PERSONALITY, [5]uintptr{0x0400000}},
		{"tiocsti", syscall.SYS_IOCTL, [5]uintptr{0, 0x5412, p}},
		{"setuid 0", syscall.SYS_SETUID, [5]uintptr{0}},
		{"setgid 0", syscall.SYS_SETGID, [5]uintptr{0}},
		{"setgroups", syscall.SYS_SETGROUPS, [5]uintptr{1, p}},
		{"raw socket", syscall.SYS_SOCKET, [5]uintptr{2, 3, 1}},
		{"packet socket", syscall.SYS_SOCKET, [5]uintptr{17, 3, 0}},
		{"vsock", syscall.SYS_SOCKET, [5]uintptr{40, 1, 0}},
		{"crypto socket", syscall.SYS_SOCKET, [5]uintptr{38, 5, 0}},
		{"audit socket", syscall.SYS_SOCKET, [5]uintptr{16, 3, 9}},
		{"netfilter socket", syscall.SYS_SOCKET, [5]uintptr{16, 3, 12}},
		{"sctp socket", syscall.SYS_SOCKET, [5]uintptr{2, 1, 132}},
		{"raise the limit of files", syscall.SYS_PRLIMIT64, [5]uintptr{0, syscall.RLIMIT_NOFILE, limits(1 << 20), 0}},
		{"ambient capability", syscall.SYS_PRCTL, [5]uintptr{47, 2, 21, 0, 0}},
		{"keep capabilities", syscall.SYS_PRCTL, [5]uintptr{8, 1, 0, 0, 0}},
		{"device node", syscall.SYS_MKNODAT, [5]uintptr{^uintptr(99), str("/tmp/sda"), syscall.S_IFBLK | 0o666, 8 << 8}},
		{"suid by chmod", syscall.SYS_FCHMODAT, [5]uintptr{^uintptr(99), str("/tmp"), 0o4755}},
		{"suid by open", syscall.SYS_OPENAT, [5]uintptr{^uintptr(99), str("/tmp/suid"), syscall.O_CREAT | syscall.O_WRONLY, 0o4755}},
	} {
		_, _, errno := syscall.RawSyscall6(a.nr, a.args[0], a.args[1], a.args[2], a.args[3], a.args[4], 0)
		report(a.name, errno)
	}
}

func limits(n uint64) uintptr {
	l := &syscall.Rlimit{Cur: n, Max: n}
	keep = append(keep, l)
	return uintptr(unsafe.Pointer(l))
}

// files tries to read ("r"), write ("w") or list ("l") paths.
func files(args []string) {
	for _, a := range args {
		op, path, _ := strings.Cut(a, ":")
		var err error
		switch op {
		case "r":
			var data []byte
			data, err = os.ReadFile(path)
			if err == nil && len(data) == 0 {
				err = fmt.Errorf("empty")
			}
		case "w":
			var f *os.File
			f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
			if err == nil {
				f.Close()
			}
		case "l":
			var names []os.DirEntry
			names, err = os.ReadDir(path)
			if err == nil && len(names) == 0 {
				err = fmt.Errorf("empty")
			}
		}
		if err != nil {
			fmt.Printf("%s: refused (%v)\n", a, err)
		} else {
			fmt.Printf("%s: GRANTED\n", a)
		}
	}
}

func ignoreTerm() {
	// Ignored for good, not handled.
	type sigaction struct {
		handler, flags, restorer uintptr
		mask                     uint64
	}
	sa := &sigaction{handler: 1}
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGTERM), uintptr(unsafe.Pointer(sa)), 0, 8, 0, 0)
	fmt.Println("ready")
	time.Sleep(time.Hour)
}

// threads starts processes until it is refused.
func threads() {
	for n := 0; ; n++ {
		if _, err := syscall.ForkExec("/function/probe", []string{"probe", "deaf-to-parent"}, nil); err != nil {
			fmt.Println("refused after", n, err)
			os.Exit(7)
		}
	}
}

func dial(addrs []string) {
	for _, a := range addrs {
		network, addr, _ := strings.Cut(a, ":")
		c, err := net.DialTimeout(network, addr, 500*time.Millisecond)
		if err != nil {
			fmt.Printf("%s: refused (%v)\n", a, err)
			continue
		}
		c.Close()
		fmt.Printf("%s: GRANTED\n", a)
	}
}
