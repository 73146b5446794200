package plan

import "golang.org/x/sys/unix"

// The calls a plan is made of.
var (
	sysAddRule       = Call{"landlock_add_rule", unix.SYS_LANDLOCK_ADD_RULE}
	sysCapset        = Call{"capset", unix.SYS_CAPSET}
	sysChdir         = Call{"chdir", unix.SYS_CHDIR}
	sysClose         = Call{"close", unix.SYS_CLOSE}
	sysCloseRange    = Call{"close_range", unix.SYS_CLOSE_RANGE}
	sysCreateRuleset = Call{"landlock_create_ruleset", unix.SYS_LANDLOCK_CREATE_RULESET}
	sysFchown        = Call{"fchown", unix.SYS_FCHOWN}
	sysFchownat      = Call{"fchownat", unix.SYS_FCHOWNAT}
	sysPwrite        = Call{"pwrite64", unix.SYS_PWRITE64}
	sysDup3          = Call{"dup3", unix.SYS_DUP3}
	sysExecve        = Call{"execve", unix.SYS_EXECVE}
	sysIoctl         = Call{"ioctl", unix.SYS_IOCTL}
	sysMount         = Call{"mount", unix.SYS_MOUNT}
	sysMountSetattr  = Call{"mount_setattr", unix.SYS_MOUNT_SETATTR}
	sysMoveMount     = Call{"move_mount", unix.SYS_MOVE_MOUNT}
	sysOpenat        = Call{"openat", unix.SYS_OPENAT}
	sysPivotRoot     = Call{"pivot_root", unix.SYS_PIVOT_ROOT}
	sysPrctl         = Call{"prctl", unix.SYS_PRCTL}
	sysPrlimit       = Call{"prlimit64", unix.SYS_PRLIMIT64}
	sysRestrict      = Call{"landlock_restrict_self", unix.SYS_LANDLOCK_RESTRICT_SELF}
	sysSeccomp       = Call{"seccomp", unix.SYS_SECCOMP}
	sysSetgroups     = Call{"setgroups", unix.SYS_SETGROUPS}
	sysSethostname   = Call{"sethostname", unix.SYS_SETHOSTNAME}
	sysSetns         = Call{"setns", unix.SYS_SETNS}
	sysSetresgid     = Call{"setresgid", unix.SYS_SETRESGID}
	sysSetresuid     = Call{"setresuid", unix.SYS_SETRESUID}
	sysSetscheduler  = Call{"sched_setscheduler", unix.SYS_SCHED_SETSCHEDULER}
	sysSetsid        = Call{"setsid", unix.SYS_SETSID}
	sysSocket        = Call{"socket", unix.SYS_SOCKET}
	sysUmask         = Call{"umask", unix.SYS_UMASK}
	sysUmount        = Call{"umount2", unix.SYS_UMOUNT2}
	sysUnshare       = Call{"unshare", unix.SYS_UNSHARE}
	sysWrite         = Call{"write", unix.SYS_WRITE}
)

const cwd = ^uint64(99) // AT_FDCWD, -100

func atCwd() Arg { return Flags(cwd, "AT_FDCWD") }

func zero() Arg { return Num(0) }
