package deployment

// Request is the body that asks for a function.
type Request struct {
	Service   string `json:"service"`
	Namespace string `json:"namespace"`
	Settings
}

// Settings are what a deployment says and a status repeats.
type Settings struct {
	Image       string            `json:"image"`
	Process     string            `json:"envProcess,omitempty"`
	Env         map[string]string `json:"envVars,omitempty"`
	Constraints []string          `json:"constraints,omitempty"`
	Secrets     []string          `json:"secrets,omitempty"`
	Labels      map[string]string `json:"labels"`      // never null in a status
	Annotations map[string]string `json:"annotations"` // likewise
	Limits      *Resources        `json:"limits,omitempty"`
	Requests    *Resources        `json:"requests,omitempty"`
	ReadOnly    bool              `json:"readOnlyRootFilesystem,omitempty"`
}

// Resources are quantities as Kubernetes writes them: "64Mi", "100m"; "" for
// none.
type Resources struct {
	Memory string `json:"memory,omitempty"`
	CPU    string `json:"cpu,omitempty"`
	Nvidia string `json:"nvidia.com/gpu,omitempty"`
	AMD    string `json:"amd.com/gpu,omitempty"`
	Intel  string `json:"intel.com/gpu,omitempty"`
}
