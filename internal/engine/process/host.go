package process

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/engine/process/seccomp"
)

// filter is a seccomp program in the kernel's form. Nothing changes it after
// newFilter, and the engine keeps it alive.
type filter struct {
	code []bpf.RawInstruction
	prog unix.SockFprog
}

func newFilter(o seccomp.Options) (*filter, error) {
	arch, ok := map[string]seccomp.Arch{"amd64": seccomp.AMD64, "arm64": seccomp.ARM64}[runtime.GOARCH]
	if !ok {
		return nil, fmt.Errorf("no system call filter for %s", runtime.GOARCH)
	}
	code, err := seccomp.Compile(arch, o)
	if err != nil {
		return nil, fmt.Errorf("compiling the system call filter: %w", err)
	}
	f := &filter{code: code}
	// bpf.RawInstruction has the layout of struct sock_filter.
	f.prog = unix.SockFprog{Len: uint16(len(code)), Filter: (*unix.SockFilter)(unsafe.Pointer(&code[0]))}
	return f, nil
}

func (f *filter) plan() plan.Filter {
	return plan.Filter{Prog: unsafe.Pointer(&f.prog), Len: len(f.code)}
}

// landlockABI asks the kernel; 0 if it has none.
func landlockABI() int {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(abi)
}

// hiddenPaths are parts of /proc that tell about the host or about keys.
// Whatever root alone may read is hidden too, in case a kernel gets that
// wrong.
var hiddenPaths = [...]string{
	"/acpi", "/asound", "/bus", "/config.gz", "/interrupts", "/iomem", "/ioports", "/kallsyms", "/kcore", "/key-users", "/keys",
	"/kmsg", "/latency_stats", "/modules", "/sched_debug", "/scsi", "/slabinfo", "/sysrq-trigger", "/sysvipc", "/timer_list", "/timer_stats",
	"/vmallocinfo", "/zoneinfo",
}

// masks are those that this kernel has. The rest of /proc that counts is
// refused by being read-only and by file modes.
func masks() []plan.Mask {
	var out []plan.Mask
	for _, p := range hiddenPaths {
		if fi, err := os.Lstat("/proc" + p); err == nil {
			out = append(out, plan.Mask{Path: p, Dir: fi.IsDir()})
		}
	}
	return out
}

// Limits every sandbox has whatever its function says.
const (
	maxFiles      = 16384    // descriptors
	maxBuildFile  = 16 << 30 // size of one file where a mount is writable
	maxQueueBytes = 1 << 20  // POSIX message queues

	// coreSize makes the kernel write no core file, and start no crash handler
	// of the host's either: a limit of 0 would not keep it from that.
	coreSize = 1
)

// rlimits are the per-process limits; what control groups bound is left to
// them. A hard limit of the server's own cannot be exceeded everywhere, even
// by root.
func rlimits() []plan.Rlimit {
	return []plan.Rlimit{
		capped("core files", unix.RLIMIT_CORE, coreSize),
		capped("descriptors", unix.RLIMIT_NOFILE, maxFiles),
		capped("message queues", unix.RLIMIT_MSGQUEUE, maxQueueBytes),
		capped("file size", unix.RLIMIT_FSIZE, maxBuildFile),
	}
}

func capped(name string, resource int, limit uint64) plan.Rlimit {
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err == nil {
		limit = min(limit, l.Max)
	}
	return plan.Rlimit{Name: name, Resource: resource, Max: limit}
}
