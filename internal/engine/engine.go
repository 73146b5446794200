// Package engine is the port to whatever runs instances of a revision.
//
// An adapter lives in a folder below (process, container, …), imports only
// this package and fn, and passes the suite in enginetest.
package engine

import (
	"context"
	"io"
	"io/fs"
	"net"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Engine starts sandboxes. All methods may be called from several goroutines
// at once.
type Engine interface {
	// Start makes a sandbox and starts the program in it. It returns once the
	// program has been exec'd, or with the reason it could not be; it does not
	// wait until the program answers. ctx bounds Start only. Errors wrap an
	// fn.Kind: Invalid (the spec cannot work here: missing program),
	// Exhausted (host limit), Internal.
	Start(ctx context.Context, spec Spec) (Instance, error)

	// Recover finds everything an earlier, killed server left behind
	// (processes, mounts, control groups, network interfaces, sockets) and
	// removes it. It is called once, before the first Start.
	Recover(ctx context.Context) (Leftovers, error)

	// Close stops every instance still running, waits for the engine's
	// goroutines and releases host resources (spare network namespaces,
	// firewall table).
	Close() error
}

// Leftovers counts what Recover removed.
type Leftovers struct{ Processes, Cgroups, Namespaces, Mounts, Files int }

// Spec says what to start.
type Spec struct {
	ID       string // unique on this host, [a-z0-9-]{1,40}
	Revision fn.RevisionRef
	Root     string            // host folder mounted read-only at /function
	Program  fn.Program        // what to run
	Env      map[string]string // whole environment besides what the engine adds (PORT or LISTEN_*, HOME, TMPDIR, PATH if absent)
	Limits   fn.Limits
	Network  fn.Network
	Mounts   []Mount // extra folders; used by builds
	Files    []File  // what this instance alone may read

	// Output receives what the program writes. The engine calls Write from
	// its own goroutines, one for each stream, until the instance is done;
	// it never closes them. A nil writer discards.
	Stdout, Stderr io.Writer
}

// Mount makes a host folder visible in a sandbox. Only the platform sets
// these; nothing a tenant sends reaches Source.
type Mount struct {
	Source, Target string
	Writable       bool
}

// File is a small file that is made for one instance: of all sandboxes only
// that one sees it, it cannot write or replace it, and it is gone when the
// instance is. Its content is never on the host's disk, nor in an argument or
// variable. The folder it lies in holds such files only, and no other mount
// lies in or above it.
//
// An engine that can mount nothing puts it elsewhere and writes that place for
// its path wherever the path stands in arguments and variables.
type File struct {
	Path string      // absolute, as the program sees it
	Data []byte      // the engine does not keep it after Start
	Mode fs.FileMode // read permissions; 0: 0400, that is the program's own user
}

// MaxFileBytes is the most that the files of one instance may hold together;
// files in several folders that hold the same count once.
const MaxFileBytes = 8 << 20

// Instance is one running sandbox. All methods may be called from several
// goroutines at once.
type Instance interface {
	ID() string

	// Dial opens a new connection to the program. For fn.ListenSocket it
	// succeeds as soon as the sandbox exists (the kernel's backlog holds the
	// connection); for fn.ListenPort it fails with ECONNREFUSED until the
	// program listens. The result is a *net.UnixConn or *net.TCPConn.
	Dial(ctx context.Context) (net.Conn, error)

	// Done is closed when every process of the instance is gone and its host
	// resources are released.
	Done() <-chan struct{}

	// Exit says how it ended. Valid after Done is closed.
	Exit() Exit

	// Stop asks the program to end (SIGTERM), after grace makes it end
	// (SIGKILL to the whole sandbox), and waits for Done. A frozen instance
	// is thawed first. grace 0 kills at once. Idempotent.
	Stop(ctx context.Context, grace time.Duration) error
}

// Exit says how an instance ended.
type Exit struct {
	Code   int           // exit status; -1 if a signal ended it
	Signal string        // "killed", "segmentation fault"; "" if none
	OOM    bool          // the memory limit ended it
	Limit  string        // the limit that was hit: "memory=64Mi"; "" if none
	CPU    time.Duration // processor time used; 0 if unknown
}

// Freezer is implemented by instances that can be stopped in place: no CPU,
// memory kept. Thaw returns when the program runs again. Both are idempotent.
type Freezer interface {
	Freeze(ctx context.Context) error
	Thaw(ctx context.Context) error
}

// Meter is implemented by instances whose use of the host can be read.
type Meter interface {
	Usage() (Usage, error)
}

// Usage is what an instance uses now.
type Usage struct {
	Memory int64         // bytes resident, as the limit counts them
	CPU    time.Duration // since the start
	Pids   int
}

// Report describes what this host gives an engine: printed by "rouse doctor".
type Report struct {
	Level  string  `json:"level"` // "full", "user-namespaces", "landlock", "none"
	Checks []Check `json:"checks"`
}

// Check is one host feature, probed by doing it.
type Check struct {
	Name   string `json:"name"`             // "mount namespace", "memory limit (cgroup v1)"
	OK     bool   `json:"ok"`               //
	Detail string `json:"detail,omitempty"` // what was found, or the error
	Fix    string `json:"fix,omitempty"`    // what an operator can do
}

// Reporter is implemented by engines that can explain themselves.
type Reporter interface {
	Report(ctx context.Context) Report
}
