package plan

import "unsafe"

// Level is how much isolation the host gives.
type Level string

// The levels, strongest first.
const (
	Full     Level = "full"            // root: every namespace, a prepared view, an own uid
	User     Level = "user-namespaces" // unprivileged: namespaces inside a user namespace
	Landlock Level = "landlock"        // unprivileged: Landlock, seccomp and rlimits only
	None     Level = "none"            // nothing can be isolated; no sandbox is started
)

// Box is everything a plan is compiled from. Descriptors are the parent's and
// stay its own; -1 means absent.
type Box struct {
	Level    Level
	Hostname string

	Join     []Join // control groups the child moves itself into
	OOMScore int    // added to the child's badness; 0: unchanged

	View   int // Full: mount namespace to start from
	UserNS int // Full: user namespace entered last
	NetNS  int // Full: network namespace to enter
	UID    int // Full: outside uid and gid; User: the server's own uid
	GID    int // User: the server's own gid

	Base    string // User: host folder that becomes the root
	Binds   []Bind // User: host folders below Base; Landlock: host paths the program may use
	Devices []string

	Masks   []Mask   // what of /proc is hidden
	Tmp     int64    // size of /tmp in bytes
	TmpDir  string   // Landlock: the host folder that serves as /tmp
	Trees   []Tree   // Full: detached mounts and where they go
	Folders []Folder // private to this sandbox
	Ruleset *Ruleset
	Filter  Filter
	Limits  []Rlimit

	Stdin, Stdout, Stderr, Listen int

	Dir        string
	Candidates []string // paths of the program, tried in order
	Argv, Env  []string
}

// Join is an open tasks file of a control group.
type Join struct {
	FD   int
	Name string // "memory"
}

// Tree is a detached mount.
type Tree struct {
	FD       int
	Target   string
	Writable bool
}

// Folder is a read-only folder of files that nobody outside has.
type Folder struct {
	Targets []string // where it is seen; at least one
	Files   []File
}

// File is one file of a Folder.
type File struct {
	Name string
	Data []byte
	Mode uint32
}

// Bind is a host path made visible.
type Bind struct {
	Source, Target string
	Writable       bool
	File           bool // Source is not a folder
}

// Mask is a path hidden behind an empty file or folder.
type Mask struct {
	Path string
	Dir  bool
}

// Ruleset says which Landlock the kernel has, and which network rules to add.
type Ruleset struct {
	ABI     int
	NoTCP   bool // refuse TCP except binding Port (ABI 4)
	Port    int  // may be bound under NoTCP; 0: none
	Confine bool // scope signals and abstract sockets (ABI 6)
}

// Filter is a seccomp program laid out as the kernel's struct sock_fprog. It
// is shared by every sandbox and never changes.
type Filter struct {
	Prog unsafe.Pointer
	Len  int
}

// Rlimit is one resource limit, soft and hard.
type Rlimit struct {
	Name     string
	Resource int
	Max      uint64
}

// Inside is the uid and the gid of a program as it sees itself.
const Inside = 1000
