package api

import "time"

// QueueStream describes what waits for one function in one place: its
// asynchronous calls, or their results on the way to callback addresses.
type QueueStream struct {
	Function  string     `json:"function"`
	Namespace string     `json:"namespace"`
	Kind      string     `json:"kind"`             // "calls" or "callbacks"
	Queue     string     `json:"queue,omitempty"`  // name of the queue; calls only
	Waiting   int        `json:"waiting"`          // due now
	Delayed   int        `json:"delayed"`          // due later: failed before, or not to be done yet
	Running   int        `json:"running"`          // under way
	Dead      int        `json:"dead"`             // put aside after the last try
	Bytes     int64      `json:"bytes"`            // kept
	Oldest    *time.Time `json:"oldest,omitempty"` // when the oldest that is not dead was accepted
}

// QueueList is the answer to GET …/queue.
type QueueList struct {
	Streams []QueueStream `json:"streams"`
}

// DeadLetter is an asynchronous call, or a result, that was put aside. What
// the caller sent is not shown, but for the path.
type DeadLetter struct {
	ID        string    `json:"id"`   // of the call, or of its result
	Kind      string    `json:"kind"` // "call" or "callback"
	Queue     string    `json:"queue,omitempty"`
	Path      string    `json:"path,omitempty"` // for the function
	Size      int       `json:"size"`           // bytes of the body
	Attempts  int       `json:"attempts"`       // tries made
	Published time.Time `json:"published"`      // when it was accepted
	Reason    string    `json:"reason"`         // why the last try failed
}

// DeadLetterList is the answer to GET …/queue/dead, the oldest first.
type DeadLetterList struct {
	Letters []DeadLetter `json:"letters"`
}

// RedriveRequest says which dead letters go on their way once more. Give ids,
// or all.
type RedriveRequest struct {
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
}

// PurgeRequest says which messages of a function are removed.
type PurgeRequest struct {
	State string   `json:"state,omitempty"` // "dead" (default), "waiting", or "all": running ones too
	IDs   []string `json:"ids,omitempty"`   // only these; all of the state if there are none
}

// QueueChange says how many messages were changed.
type QueueChange struct {
	Count int `json:"count"`
}
