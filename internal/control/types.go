package control

import (
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// View is a function as seen from outside: its intent and what runs now.
type View struct {
	fn.Function
	Replicas  Replicas    // over all revisions
	URL       string      // where it is called
	LastError *fn.Failure // why the last start failed, nil once one succeeded
}

// Replicas counts instances by state.
type Replicas struct{ Starting, Ready, Busy, Frozen, Draining int }

// RevisionView is a revision and its share of the present.
type RevisionView struct {
	fn.Revision
	Weight   int // percent of traffic now
	Tag      string
	Replicas Replicas
}

// InstanceView is one running sandbox.
type InstanceView struct {
	ID       string
	Revision fn.RevisionRef
	State    string // "starting", "ready", "busy", "frozen", "draining"
	InFlight int
	Calls    int64 // served since Started
	Usage    engine.Usage
	Started  time.Time
}

// Deploy asks for a new revision. Exactly one of Source, Artifact, Revision
// and Image is set.
type Deploy struct {
	fn.Ref
	Spec        fn.Spec // zero fields mean the defaults
	Labels      map[string]string
	Annotations map[string]string
	Source      string // digest of an accepted source, to be built
	Artifact    string // digest of an artifact that exists
	Revision    int    // revision of this function whose artifact is used again
	Image       string // reference of a bundle; see SetImage

	bundle Bundle // what Image stands for, once that is known
}

// Event is progress of a deploy. Events of one deploy come from one goroutine
// at a time.
type Event struct {
	Step   string        // "source", "build", "revision", "start", "switch" …
	Line   string        // a line of output or a remark; "" at the start and end of a step
	Done   bool          // the step has ended well
	Cached bool          // with Done: nothing had to be done
	Took   time.Duration // with Done
}

// LogQuery selects log lines. The zero value is everything kept.
type LogQuery struct {
	Follow   bool      // keep yielding new lines until ctx ends
	Since    time.Time // zero: from the oldest kept
	Tail     int       // at most that many of the lines already there; 0: all; negative: none
	Call     string    // only lines of that call id
	Instance string    // only lines of that instance
}

// LogLine is one line a function printed.
type LogLine struct {
	Time     time.Time
	Stream   string // "stdout", "stderr", "rouse"
	Revision int
	Instance string
	Call     string // id of the call, if known
	Text     string // without the line end, as UTF-8
}

// Info describes this server.
type Info struct {
	Version    string
	Isolation  string // level, see engine.Report
	URL        string // where functions are called
	Domain     string
	Namespaces int
	Functions  int
	Instances  int
	Started    time.Time
}

// Runtime is a runtime as this host can offer it.
type Runtime struct {
	Name, Summary string
	Modes         []fn.Mode // the first is the default
	Handler       string    // default entry file
	Available     bool
	Missing       string // what to install when not available
}

// BackupInfo counts what a backup holds.
type BackupInfo struct {
	Bytes                            int64
	Namespaces, Functions, Revisions int
	Secrets                          int
}
