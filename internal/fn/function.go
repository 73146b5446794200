package fn

import "time"

// DefaultNamespace is used wherever a namespace is left out.
const DefaultNamespace = "default"

// DefaultAlias is what OpenFaaS's clients call DefaultNamespace. No namespace
// may have it as its own name.
const DefaultAlias = "openfaas-fn"

// Ref names a function.
type Ref struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String returns "namespace/name".
func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// RevisionRef names one revision of a function.
type RevisionRef struct {
	Ref
	Number int `json:"number"` // 1, 2, 3 …
}

// Namespace is a tenant boundary.
type Namespace struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Created     time.Time         `json:"created"`
}

// Secret is a named value that functions of its namespace may read. The value
// itself is no part of it: nothing that has been stored is ever shown again.
type Secret struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"` // see ValidateSecretName
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"` // when its value was last set
}

// Function is a name and its intent. It points at the revisions that serve it.
type Function struct {
	Ref
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        Spec              `json:"spec"`               // the intent: that of the revision deployed, or rolled back to, last
	Latest      int               `json:"latest"`             // highest revision number ever given out; numbers are never reused
	Traffic     []Target          `json:"traffic,omitempty"`  // empty while no revision has become ready
	Replicas    *int              `json:"replicas,omitempty"` // set by "scale --replicas": overrides Scale.Min until the next deploy
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
}

// Target sends a share of a function's traffic to one revision.
type Target struct {
	Revision int    `json:"revision"`
	Weight   int    `json:"weight"`        // percent, 0–100; the weights of a function sum to 100
	Tag      string `json:"tag,omitempty"` // optional name for direct addressing
}

// Spec is the intent of a function; a revision keeps the one it was made with.
type Spec struct {
	Runtime string            `json:"runtime"`           // name of a runtime: a folder of templates/
	Handler string            `json:"handler,omitempty"` // entry file or program relative to the source; the runtime's default if empty
	Command []string          `json:"command,omitempty"` // for programs that listen on $PORT; overrides the runtime's command
	Mode    Mode              `json:"mode,omitempty"`    // how the program is spoken to; the runtime's default if empty
	Env     map[string]string `json:"env,omitempty"`
	Image   string            `json:"image,omitempty"`   // reference it was deployed by, as sent; "" if from source
	Secrets []string          `json:"secrets,omitempty"` // of the namespace, readable by the function as files
	Policy
}

// Mode says how the function's program takes calls.
type Mode string

const (
	ModeHandler Mode = "handler" // a handler called by the runtime's shim
	ModeServer  Mode = "server"  // any program that listens on $PORT
	ModeFork    Mode = "fork"    // one process a request, stdin → stdout
	// ModeWatchdog and ModeClassic are the contracts of OpenFaaS's two
	// watchdogs: variables of the environment (fprocess, mode, …) say what is
	// run and how it is spoken to.
	ModeWatchdog Mode = "watchdog" // of-watchdog
	ModeClassic  Mode = "classic"  // classic watchdog
)

// Policy holds the limits and the scaling of a function. A zero field means the default
// (see Default), after WithDefaults no field that must be set is zero.
type Policy struct {
	Limits  Limits  `json:"limits"`
	Scale   Scale   `json:"scale"`
	Network Network `json:"network,omitempty"`
}

// Limits bound what one instance and one call may use.
type Limits struct {
	Memory  int64         `json:"memory,omitempty"`  // bytes
	CPU     int           `json:"cpu,omitempty"`     // thousandths of a core
	Pids    int           `json:"pids,omitempty"`    // processes and threads
	Tmp     int64         `json:"tmp,omitempty"`     // bytes in /tmp
	Timeout time.Duration `json:"timeout,omitempty"` // deadline of a call: hold + run, until the end of the response
	Start   time.Duration `json:"start,omitempty"`   // from process start until it answers
}

// Scale says how many instances there may be and when.
type Scale struct {
	Min         int           `json:"min,omitempty"`
	Max         int           `json:"max,omitempty"`
	Concurrency int           `json:"concurrency,omitempty"` // hard limit of calls at once in one instance
	Target      int           `json:"target,omitempty"`      // wanted percentage of Concurrency in use, 1–100
	RPS         int           `json:"rps,omitempty"`         // wanted requests a second for each instance; 0: not a signal
	Metric      Metric        `json:"metric,omitempty"`      // what Goal counts; "": Concurrency, Target and RPS say all
	Goal        float64       `json:"goal,omitempty"`        // wanted value of Metric for each instance
	Activation  int           `json:"activation,omitempty"`  // instances as soon as there is traffic; 0 as 1
	Window      time.Duration `json:"window,omitempty"`      // go down only to the most wanted within this time
	Queue       int           `json:"queue,omitempty"`       // calls that may be held while no slot is free
	Freeze      time.Duration `json:"freeze,omitempty"`      // idle time before an instance is frozen; negative: never
	Idle        time.Duration `json:"idle,omitempty"`        // idle time before an instance is removed (down to Min)
}

// Metric is a measure of load that instances share between them.
type Metric string

const (
	MetricConcurrency Metric = "concurrency" // calls in hand and held
	MetricRPS         Metric = "rps"         // calls a second
	MetricCPU         Metric = "cpu"         // thousandths of a core in use
	MetricQueue       Metric = "queue"       // asynchronous calls waiting
)

// Network says what an instance may reach.
type Network string

const (
	NetworkOn  Network = "on"  // outbound, except link-local addresses and this host
	NetworkOff Network = "off" // nothing
)

// Default returns the policy of a function that says nothing.
func Default() Policy {
	return Policy{
		Limits: Limits{
			Memory: 256 << 20, CPU: 1000, Pids: 256, Tmp: 64 << 20,
			Timeout: 60 * time.Second, Start: 30 * time.Second,
		},
		Scale: Scale{
			Max: 10, Concurrency: 32, Target: 70, Queue: 1024,
			Freeze: 2 * time.Second, Idle: 5 * time.Minute,
		},
		Network: NetworkOn,
	}
}

// Listen says where an instance takes connections.
type Listen string

const (
	// ListenSocket: the program inherits a listening Unix stream socket as
	// descriptor 3 (LISTEN_FDS=1, LISTEN_FDNAMES=http: the systemd socket
	// activation protocol). Connections made before it calls accept wait in
	// the backlog, so nothing has to poll.
	ListenSocket Listen = "socket"
	// ListenPort: the program listens on TCP $PORT.
	ListenPort Listen = "port"
	// ListenNone: the program takes no calls (a build step).
	ListenNone Listen = "none"
)

// Program is how an artifact is started and spoken to. Paths are as seen
// inside the sandbox, where the artifact is mounted read-only at /function.
type Program struct {
	Command  []string          `json:"command"`
	Env      map[string]string `json:"env,omitempty"` // from the runtime; a function's own Env wins over it
	Dir      string            `json:"dir,omitempty"` // working folder, /function if empty
	Listen   Listen            `json:"listen"`
	Contract string            `json:"contract"` // "http"
}

// Artifact is the content-addressed result of a build: a folder and how to
// start it.
type Artifact struct {
	Digest  string  `json:"digest"` // "sha256:…" over the folder's content and Program
	Program Program `json:"program"`
	Size    int64   `json:"size"` // bytes on disk
}

// Revision is an immutable artifact and settings snapshot.
type Revision struct {
	RevisionRef
	Digest   string    `json:"digest"` // "sha256:…" over Artifact.Digest and Spec
	Artifact Artifact  `json:"artifact"`
	Spec     Spec      `json:"spec"` // with defaults filled in
	Created  time.Time `json:"created"`
}
