package openfaas

import (
	"time"

	"rouse.dev/rouse/internal/dialect/openfaas/deployment"
)

// The bodies of OpenFaaS's API, as its clients send and expect them.

// status is a function as it is.
type status struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	deployment.Settings
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
