package openfaas

import "time"

// The bodies of OpenFaaS's API, as its clients send and expect them.

// deployment asks for a function.
type deployment struct {
	Service   string `json:"service"`
	Namespace string `json:"namespace"`
	settings
}

// settings are what a deployment says and a status repeats.
type settings struct {
	Image       string            `json:"image"`
	Process     string            `json:"envProcess,omitempty"`
	Env         map[string]string `json:"envVars,omitempty"`
	Constraints []string          `json:"constraints,omitempty"`
	Secrets     []string          `json:"secrets,omitempty"`
	Labels      map[string]string `json:"labels"`      // never null in a status
	Annotations map[string]string `json:"annotations"` // likewise
	Limits      *resources        `json:"limits,omitempty"`
	Requests    *resources        `json:"requests,omitempty"`
	ReadOnly    bool              `json:"readOnlyRootFilesystem,omitempty"`
}

// resources are quantities as Kubernetes writes them: "64Mi", "100m".
type resources struct {
	Memory string `json:"memory,omitempty"`
	CPU    string `json:"cpu,omitempty"`
	Nvidia string `json:"nvidia.com/gpu,omitempty"`
	AMD    string `json:"amd.com/gpu,omitempty"`
	Intel  string `json:"intel.com/gpu,omitempty"`
}

// status is a function as it is.
type status struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	settings
	Calls     uint64    `json:"invocationCount,omitempty"`
	Replicas  int       `json:"replicas,omitempty"`          // wanted
	Available int       `json:"availableReplicas,omitempty"` // ready for calls, frozen ones too
	Created   time.Time `json:"createdAt"`
	Usage     *usage    `json:"usage,omitempty"`
}

// usage is what all instances use together.
type usage struct {
	CPU    float64 `json:"cpu,omitempty"`              // thousandths of a core
	Memory float64 `json:"totalMemoryBytes,omitempty"` // bytes
}

type deleteRequest struct {
	Function  string `json:"functionName"`
	Namespace string `json:"namespace"`
}

type scaleRequest struct {
	Service   string `json:"serviceName"`
	Replicas  *int   `json:"replicas"`
	Namespace string `json:"namespace"`
}

type secret struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Value     string `json:"value,omitempty"`
	Raw       []byte `json:"rawValue,omitempty"` // wins if not empty
}

type namespace struct {
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

type version struct {
	Commit  string `json:"commit_message,omitempty"`
	SHA     string `json:"sha"`
	Release string `json:"release"`
}

type provider struct {
	Name          string  `json:"provider"`
	Version       version `json:"version"`
	Orchestration string  `json:"orchestration"`
}

type gatewayInfo struct {
	Provider provider `json:"provider"`
	Version  version  `json:"version"`
	Arch     string   `json:"arch"`
}

// message is a line of a function's log.
type message struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Instance  string    `json:"instance"`
	Time      time.Time `json:"timestamp"`
	Text      string    `json:"text"` // with its line end
}

// alerts is what of an Alertmanager's message is used.
type alerts struct {
	Status string `json:"status"`
	Alerts []struct {
		Status string            `json:"status"` // "firing" or "resolved"
		Labels map[string]string `json:"labels"`
	} `json:"alerts"`
}
