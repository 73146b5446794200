package builder

// Names of a build's tar.
const (
	configName   = "com.openfaas.docker.config"
	secretsName  = "com.openfaas.secrets"
	contextName  = "context"
	maxConfig    = 64 << 10
	maxBuildLog  = 10_000 // lines of an answer that is not a stream
	streamedType = "application/x-ndjson"
)

// States of a build.
const (
	inProgress = "in_progress"
	succeeded  = "success"
	failed     = "failed"
)

// buildConfig is what the file com.openfaas.docker.config says. Fields that
// are not known are passed over.
type buildConfig struct {
	Image     string            `json:"image"`
	BuildArgs map[string]string `json:"buildArgs"`
	Platforms []string          `json:"platforms"`
	SkipPush  bool              `json:"skipPush"`
}

// result is an answer, or one line of a stream of them.
type result struct {
	Log      []string `json:"log"`
	Image    string   `json:"image"`
	Status   string   `json:"status"`
	Duration float64  `json:"duration,omitempty"` // seconds
	Error    string   `json:"error,omitempty"`
}
