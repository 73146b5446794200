package seccomp

import "strings"

// allowed calls pass with any arguments. Grouped by what they are for.
var allowed = strings.Fields(`
	read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile splice tee vmsplice copy_file_range
	close close_range dup dup2 dup3 fcntl flock fsync fdatasync sync_file_range fadvise64 readahead
	pipe pipe2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime
	inotify_init inotify_init1 inotify_add_watch inotify_rm_watch memfd_create
	epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 poll ppoll select pselect6

	stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 getcwd chdir fchdir getdents getdents64
	readlink readlinkat rename renameat renameat2 mkdir mkdirat rmdir unlink unlinkat link linkat symlink symlinkat
	truncate ftruncate fallocate chown fchown lchown fchownat umask utime utimes utimensat futimesat
	setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
	removexattr lremovexattr fremovexattr cachestat

	mmap mprotect munmap mremap msync mincore madvise brk mlock mlock2 munlock mlockall munlockall membarrier
	remap_file_pages pkey_alloc pkey_free pkey_mprotect mseal map_shadow_stack
	shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl
	mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr

	fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill
	rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend sigaltstack
	pause alarm getitimer setitimer restart_syscall pidfd_open pidfd_send_signal
	futex futex_waitv futex_wake futex_wait futex_requeue set_robust_list get_robust_list set_tid_address rseq
	arch_prctl prctl landlock_create_ruleset landlock_add_rule landlock_restrict_self
	sched_yield sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_get_priority_max sched_get_priority_min
	sched_rr_get_interval sched_setaffinity sched_getaffinity sched_setattr sched_getattr getpriority setpriority ioprio_set ioprio_get getcpu

	getpid getppid gettid getpgid setpgid getpgrp getsid setsid getuid geteuid getgid getegid getresuid getresgid
	setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid getgroups setgroups capget capset
	getrlimit setrlimit prlimit64 getrusage times sysinfo uname getrandom
	nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time
	timer_create timer_settime timer_gettime timer_getoverrun timer_delete

	connect accept accept4 bind listen getsockname getpeername setsockopt getsockopt shutdown
	sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg
`)

// pretended calls answer success and do nothing: they would flush the disks
// of everybody.
var pretended = []string{"sync", "syncfs"}

// unknown calls answer ENOSYS although the kernel has long had them, because
// programs probe for them and know what to do without.
var unknown = []string{"io_setup", "io_destroy", "io_getevents", "io_submit", "io_cancel", "io_pgetevents", "openat2", "clone3"}

// newest is the first call number that refused calls answer ENOSYS from; both
// machines number alike from here on.
const newest = 424

// Options change the program for one kind of sandbox.
type Options struct {
	// NoInternet refuses sockets that leave the machine: for sandboxes that
	// share the host's network but must not use it.
	NoInternet bool
}

// Socket domains, types and protocols.
const (
	afUnix, afInet, afInet6, afNetlink = 1, 2, 10, 16
	protoTCP, protoUDP                 = 6, 17
)

// The bits of a mode and of open's flags that matter here.
const (
	modeSuid     = 0o6000 // set-user-id and set-group-id
	openCreate   = 0o100
	openTmpfile  = 0o20000000
	namespaceSet = 0x7e020000 // every CLONE_NEW* that fits the clone call's flags
)

// inspected calls pass or not depending on their arguments.
func inspected(o Options) map[string][]check {
	refuseSuid := func(arg int) []check {
		return []check{{arg: arg, mask: modeSuid, not: true, action: errno(ePERM)}}
	}
	// open's mode counts only if a file may be made; a register that nobody
	// set must not refuse a read.
	refuseSuidOpen := func(flags, mode int) []check {
		return []check{{arg: flags, mask: openCreate | openTmpfile, values: []uint32{0}, action: allow}, {arg: mode, mask: modeSuid, not: true, action: errno(ePERM)}}
	}
	m := map[string][]check{
		"clone":       {{arg: 0, mask: namespaceSet, not: true, action: errno(ePERM)}},
		"personality": {{arg: 0, mask: ^uint32(0), values: []uint32{0, 0xffffffff}, action: allow}, {action: errno(ePERM)}},
		"ioctl": {{arg: 1, mask: ^uint32(0), values: []uint32{
			0x5412, // TIOCSTI: types into a terminal
			0x541c, // TIOCLINUX: pastes into one
			0x5423, // TIOCSETD: loads line disciplines
		}, action: errno(ePERM)}},
		"socketpair": {{arg: 0, mask: ^uint32(0), values: []uint32{afUnix}, action: allow}, {action: errno(eAFNOSUPPORT)}},
		"socket": {
			{arg: 0, mask: ^uint32(0), values: []uint32{afUnix}, action: allow},
			{arg: 0, mask: ^uint32(0), values: []uint32{afNetlink}, next: "netlink"},
			{arg: 0, mask: ^uint32(0), values: []uint32{afInet, afInet6}, next: "inet"},
			{action: errno(eAFNOSUPPORT)},
		},
		// Route sockets list the own interfaces; the kernel refuses changes.
		"netlink": {{arg: 2, mask: ^uint32(0), values: []uint32{0}, action: allow}, {action: errno(eAFNOSUPPORT)}},
		"inet":    {{arg: 2, mask: ^uint32(0), values: []uint32{0, protoTCP, protoUDP}, next: "stream"}, {action: errno(ePROTONOSUPPORT)}},
		// SOCK_STREAM or SOCK_DGRAM, never raw.
		"stream": {{arg: 1, mask: 0xf, values: []uint32{1, 2}, action: allow}, {action: errno(ePERM)}},

		"open": refuseSuidOpen(1, 2), "openat": refuseSuidOpen(2, 3), "creat": refuseSuid(1),
		"chmod": refuseSuid(1), "fchmod": refuseSuid(1), "fchmodat": refuseSuid(2), "fchmodat2": refuseSuid(2),
		"mknod": refuseSuid(1), "mknodat": refuseSuid(2),
	}
	if o.NoInternet {
		m["inet"] = []check{{action: errno(eAFNOSUPPORT)}}
	}
	return m
}
