package api

import "time"

// Revision is an immutable artifact and settings snapshot of a function.
type Revision struct {
	Function  string    `json:"function"`
	Namespace string    `json:"namespace"`
	Number    int       `json:"number"`   // 1, 2, 3 …
	Digest    string    `json:"digest"`   // "sha256:…" over artifact and spec
	Artifact  string    `json:"artifact"` // "sha256:…" of what was built
	Size      int64     `json:"size"`     // bytes of the artifact on disk
	Spec      Spec      `json:"spec"`
	Weight    int       `json:"weight"` // percent of traffic now
	Tag       string    `json:"tag,omitempty"`
	Replicas  Replicas  `json:"replicas"`
	Created   time.Time `json:"created"`
}

// RevisionList is the answer to a revisions request, newest first.
type RevisionList struct {
	Revisions []Revision `json:"revisions"`
}

// Instance is one running sandbox.
type Instance struct {
	ID       string    `json:"id"`
	Revision int       `json:"revision"`
	State    string    `json:"state"` // "starting", "ready", "busy", "frozen", "draining"
	InFlight int       `json:"inFlight"`
	Calls    int64     `json:"calls"`  // served since it started
	Memory   int64     `json:"memory"` // bytes resident; 0 if unknown
	CPU      string    `json:"cpu"`    // processor time used: "1.2s"
	Pids     int       `json:"pids"`
	Started  time.Time `json:"started"`
}

// InstanceList is the answer to an instances request.
type InstanceList struct {
	Instances []Instance `json:"instances"`
}
