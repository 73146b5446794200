package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// call is a system call that no function needs and that has opened holes
// before. Only these errors mean that it was stopped before it did anything;
// any other one shows that the kernel had begun to work on it.
type call struct {
	nr   uintptr
	args [6]uintptr
}

func syscallAttempts() map[string]attempt {
	out := map[string]attempt{}
	for name, c := range map[string]call{
		"init_module":       {unix.SYS_INIT_MODULE, [6]uintptr{}},
		"finit_module":      {unix.SYS_FINIT_MODULE, [6]uintptr{^uintptr(0)}},
		"delete_module":     {unix.SYS_DELETE_MODULE, [6]uintptr{}},
		"kexec_load":        {unix.SYS_KEXEC_LOAD, [6]uintptr{0, 100000}},
		"reboot":            {unix.SYS_REBOOT, [6]uintptr{1, 2, 3}}, // wrong magic: cannot reboot
		"swapon":            {unix.SYS_SWAPON, [6]uintptr{}},
		"acct":              {unix.SYS_ACCT, [6]uintptr{1}}, // a bad address: cannot switch accounting off
		"bpf":               {unix.SYS_BPF, [6]uintptr{}},
		"perf_event_open":   {unix.SYS_PERF_EVENT_OPEN, [6]uintptr{}},
		"io_uring_setup":    {unix.SYS_IO_URING_SETUP, [6]uintptr{1}},
		"io_uring_enter":    {unix.SYS_IO_URING_ENTER, [6]uintptr{^uintptr(0)}},
		"userfaultfd":       {unix.SYS_USERFAULTFD, [6]uintptr{unix.O_CLOEXEC | 1}},
		"keyctl":            {unix.SYS_KEYCTL, [6]uintptr{}},
		"add_key":           {unix.SYS_ADD_KEY, [6]uintptr{}},
		"request_key":       {unix.SYS_REQUEST_KEY, [6]uintptr{}},
		"fanotify_init":     {unix.SYS_FANOTIFY_INIT, [6]uintptr{}},
		"open_by_handle_at": {unix.SYS_OPEN_BY_HANDLE_AT, [6]uintptr{^uintptr(0)}},
		"move_mount":        {unix.SYS_MOVE_MOUNT, [6]uintptr{^uintptr(0), 0, ^uintptr(0)}},
		"mount_setattr":     {unix.SYS_MOUNT_SETATTR, [6]uintptr{^uintptr(0)}},
		"settimeofday":      {unix.SYS_SETTIMEOFDAY, [6]uintptr{1, 1}}, // bad addresses
		"clock_settime":     {unix.SYS_CLOCK_SETTIME, [6]uintptr{0, 1}},
		"sethostname":       {unix.SYS_SETHOSTNAME, [6]uintptr{1, 1}},
		"setdomainname":     {unix.SYS_SETDOMAINNAME, [6]uintptr{1, 1}},
		"syslog":            {unix.SYS_SYSLOG, [6]uintptr{10}}, // size of the buffer
		"quotactl":          {unix.SYS_QUOTACTL, [6]uintptr{}},
		"lookup_dcookie":    {unix.SYS_LOOKUP_DCOOKIE, [6]uintptr{}},
		"kcmp":              {unix.SYS_KCMP, [6]uintptr{1, 1, 0, 0, 0}},
		"raw socket":        {unix.SYS_SOCKET, [6]uintptr{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}},
		"packet socket":     {unix.SYS_SOCKET, [6]uintptr{unix.AF_PACKET, unix.SOCK_RAW, 0}},
		"crypto socket":     {unix.SYS_SOCKET, [6]uintptr{unix.AF_ALG, unix.SOCK_SEQPACKET, 0}},
		"vsock socket":      {unix.SYS_SOCKET, [6]uintptr{unix.AF_VSOCK, unix.SOCK_STREAM, 0}},
		"netfilter socket":  {unix.SYS_SOCKET, [6]uintptr{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}},
	} {
		out["call "+name] = func(Host) (string, error) { return c.try() }
	}
	return out
}

func (c call) try() (string, error) {
	got, _, e := unix.Syscall6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
	if e == 0 {
		return fmt.Sprintf("it returned %d", got), nil
	}
	for _, stopped := range []error{unix.EPERM, unix.ENOSYS, unix.EACCES, unix.EAFNOSUPPORT, unix.ESOCKTNOSUPPORT, unix.EPROTONOSUPPORT} {
		if errors.Is(e, stopped) {
			return "", e
		}
	}
	return "the kernel went to work on it: " + e.Error(), nil
}
