package api

import "time"

// Info describes a server.
type Info struct {
	Version    string    `json:"version"`
	Go         string    `json:"go"`
	Platform   string    `json:"platform"`  // "linux/amd64"
	Isolation  string    `json:"isolation"` // level the host gives, see DoctorReport
	URL        string    `json:"url"`       // where functions are called
	Domain     string    `json:"domain"`    // functions also answer as NAME.NAMESPACE.Domain
	Namespaces int       `json:"namespaces"`
	Functions  int       `json:"functions"`
	Instances  int       `json:"instances"`
	Started    time.Time `json:"started"`
}

// Runtime is a way to start and speak to functions of one language.
type Runtime struct {
	Name      string   `json:"name"` // what Spec.Runtime says
	Summary   string   `json:"summary"`
	Modes     []string `json:"modes"`             // the first is the default
	Handler   string   `json:"handler,omitempty"` // default entry file
	Available bool     `json:"available"`
	Missing   string   `json:"missing,omitempty"` // what to install when not available
}

// RuntimeList is the answer to a runtimes request.
type RuntimeList struct {
	Runtimes []Runtime `json:"runtimes"`
}

// DoctorReport says what the server's host gives it.
type DoctorReport struct {
	Level  string  `json:"level"` // "full", "user-namespaces", "landlock", "none"
	Checks []Check `json:"checks"`
}

// Check is one host feature, probed by doing it.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // what was found, or the error
	Fix    string `json:"fix,omitempty"`    // what an operator can do
}

// Setting is one configuration value in force.
type Setting struct {
	Name    string `json:"name"`    // "gateway.headTimeout"
	Value   string `json:"value"`   // as it would be written in the environment
	Default string `json:"default"` // likewise
	Source  string `json:"source"`  // "default", "file", "environment", "flag"
	Env     string `json:"env"`     // environment variable that sets it
	Doc     string `json:"doc"`
}

// SettingList is the answer to a config request.
type SettingList struct {
	Settings []Setting `json:"settings"`
}

// BackupInfo describes a backup that was written or restored.
type BackupInfo struct {
	File       string `json:"file,omitempty"` // set by the command line
	Bytes      int64  `json:"bytes"`
	Namespaces int    `json:"namespaces,omitempty"`
	Functions  int    `json:"functions,omitempty"`
	Revisions  int    `json:"revisions,omitempty"`
	Secrets    int    `json:"secrets,omitempty"`
}

// Health is the answer of /healthz.
type Health struct {
	Status string `json:"status"` // "ok"
}
