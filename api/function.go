package api

import "time"

// Function is a name, what it is meant to be and how it is doing.
type Function struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        Spec              `json:"spec"`               // of the revision that serves most traffic
	Traffic     []Target          `json:"traffic"`            // empty while no revision has become ready
	Latest      int               `json:"latest"`             // highest revision number ever given out
	Replicas    *int              `json:"replicas,omitempty"` // set by a scale request; absent: the autoscaler decides
	Status      Status            `json:"status"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
}

// Target sends a share of a function's traffic to one revision.
type Target struct {
	Revision int    `json:"revision"`
	Weight   int    `json:"weight"`        // percent
	Tag      string `json:"tag,omitempty"` // optional name for direct addressing
}

// Status is how a function is doing now.
type Status struct {
	// State is one word: "pending" (no revision has become ready), "asleep"
	// (no instance; the next call starts one), "starting", "frozen", "ready",
	// "busy", "failing" (the last start failed and nothing runs).
	State     string   `json:"state"`
	Replicas  Replicas `json:"replicas"`
	URL       string   `json:"url"`                 // where it is called
	LastError *Error   `json:"lastError,omitempty"` // why the last start failed, until one succeeds
}

// Replicas counts instances by state.
type Replicas struct {
	Starting int `json:"starting"`
	Ready    int `json:"ready"`
	Busy     int `json:"busy"`
	Frozen   int `json:"frozen"`
	Draining int `json:"draining"`
}

// Total is the number of instances in any state.
func (r Replicas) Total() int { return r.Starting + r.Ready + r.Busy + r.Frozen + r.Draining }

// FunctionList is the answer to a list request.
type FunctionList struct {
	Functions []Function `json:"functions"`
}

// ScaleRequest asks for a number of instances.
type ScaleRequest struct {
	Replicas *int `json:"replicas"` // null hands the function back to the autoscaler
}

// RollbackRequest asks to serve an earlier revision again.
type RollbackRequest struct {
	Revision int `json:"revision,omitempty"` // 0: the one before the present one
}
