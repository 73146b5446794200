package api

// Spec is what a function is meant to be. In a request an empty field means
// the server's default; in a response every field is filled in.
type Spec struct {
	Runtime string            `json:"runtime"`           // name of a runtime, see Runtime
	Handler string            `json:"handler,omitempty"` // entry file or program, relative to the source
	Command []string          `json:"command,omitempty"` // for programs that listen on $PORT; overrides the runtime's
	Mode    string            `json:"mode,omitempty"`    // "handler", "server", "fork", "watchdog" or "classic"
	Env     map[string]string `json:"env,omitempty"`
	Image   string            `json:"image,omitempty"`   // reference it was deployed by, "" if by none
	Secrets []string          `json:"secrets,omitempty"` // names; each is the file /var/rouse/secrets/NAME in the function
	Limits  Limits            `json:"limits,omitzero"`
	Scale   Scale             `json:"scale,omitzero"`
	Network string            `json:"network,omitempty"` // outbound network, "on" or "off"
}

// Limits bound what one instance and one call may use.
type Limits struct {
	Memory  string `json:"memory,omitempty"`  // bytes: "128Mi"
	CPU     string `json:"cpu,omitempty"`     // cores: "500m", "2"
	Pids    int    `json:"pids,omitempty"`    // processes and threads
	Tmp     string `json:"tmp,omitempty"`     // bytes in /tmp: "64Mi"
	Timeout string `json:"timeout,omitempty"` // deadline of a call, waiting included: "60s"
	Start   string `json:"start,omitempty"`   // from process start until it answers: "30s"
}

// Scale says how many instances there may be, and when.
type Scale struct {
	Min         int     `json:"min,omitempty"`         // instances kept even when idle
	Max         int     `json:"max,omitempty"`         // instances at most
	Concurrency int     `json:"concurrency,omitempty"` // calls at once in one instance
	Target      int     `json:"target,omitempty"`      // wanted use of Concurrency in percent, 1–100
	RPS         int     `json:"rps,omitempty"`         // wanted requests a second for each instance; 0: not a signal
	Metric      string  `json:"metric,omitempty"`      // what Goal counts instead of Concurrency × Target and RPS: "concurrency", "rps", "cpu" (thousandths of a core) or "queue" (asynchronous calls waiting)
	Goal        float64 `json:"goal,omitempty"`        // wanted value of Metric for each instance
	Activation  int     `json:"activation,omitempty"`  // instances as soon as there is traffic
	Window      string  `json:"window,omitempty"`      // go down only to the most wanted within this time
	Queue       int     `json:"queue,omitempty"`       // calls that may wait while no slot is free
	Freeze      string  `json:"freeze,omitempty"`      // idle time before an instance is frozen; "never"
	Idle        string  `json:"idle,omitempty"`        // idle time before an instance is removed
}
