package conf

import (
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Config is everything an operator can set. The name of a field in files is
// its yaml tag; see Setting for its names elsewhere. It is a value: nothing
// changes it after Load.
type Config struct {
	Listen string `yaml:"listen" doc:"address and port the API and the functions are served on"`
	Data   string `yaml:"data" doc:"folder that holds all state; the default is /var/lib/rouse for root, else $HOME/.local/share/rouse"`
	Domain string `yaml:"domain" doc:"functions also answer at NAME.NAMESPACE.DOMAIN; names below .localhost lead to this host in most programs"`

	Log      Log      `yaml:"log"`
	Auth     Auth     `yaml:"auth"`
	Gateway  Gateway  `yaml:"gateway"`
	Limits   Limits   `yaml:"limits"`
	Defaults Defaults `yaml:"defaults"`
	Pool     Pool     `yaml:"pool"`
	Engine   Engine   `yaml:"engine"`
	Build    Build    `yaml:"build"`
	Logs     Logs     `yaml:"logs"`
	Calls    Calls    `yaml:"calls"`
	Metrics  Metrics  `yaml:"metrics"`
	OpenFaaS OpenFaaS `yaml:"openfaas"`

	// origin tells where each field that is not at its default came from:
	// path → "file", "environment" or "flag". Never changed after Load.
	origin map[string]string
}

// Log is about the server's own log, not that of functions.
type Log struct {
	Level  string `yaml:"level" doc:"debug, info, warn or error"`
	Format string `yaml:"format" doc:"text or json"`
}

// Auth is about who may use the management API.
type Auth struct {
	Users []string `yaml:"users" doc:"accounts besides admin, each NAME:ROLE or NAME:ROLE:NAMESPACE with ROLE read, write or admin; several entries for one name add up; the password is made in DATA/passwords/NAME"`
}

// Gateway is about calls of functions.
type Gateway struct {
	HeadTimeout    time.Duration `yaml:"headTimeout" doc:"time a client has to send the head of a request"`
	IdleTimeout    time.Duration `yaml:"idleTimeout" doc:"time a client connection may stay open without a request"`
	MaxHead        Bytes         `yaml:"maxHead" doc:"largest head of a request or response"`
	MaxConnections int           `yaml:"maxConnections" doc:"client connections at once; further ones wait to be accepted"`
	TrustedProxies []string      `yaml:"trustedProxies" doc:"networks (CIDR) whose X-Forwarded-* headers are believed"`
}

// Limits bound what a client of the management API can use.
type Limits struct {
	Upload       Bytes         `yaml:"upload" doc:"largest source archive"`
	Unpacked     Bytes         `yaml:"unpacked" doc:"largest source after unpacking"`
	Files        int           `yaml:"files" doc:"most files in a source"`
	BuildTimeout time.Duration `yaml:"buildTimeout" doc:"longest build"`
	Revisions    int           `yaml:"revisions" doc:"revisions kept of a function, those with traffic included"`
}

// Defaults is the policy of a function that says nothing.
type Defaults struct {
	Memory      Bytes         `yaml:"memory" doc:"memory of one instance"`
	CPU         CPU           `yaml:"cpu" doc:"processor time of one instance, in cores or thousandths: 2, 500m"`
	Pids        int           `yaml:"pids" doc:"processes and threads of one instance"`
	Tmp         Bytes         `yaml:"tmp" doc:"size of /tmp of one instance"`
	Timeout     time.Duration `yaml:"timeout" doc:"deadline of a call, waiting for an instance included"`
	Start       time.Duration `yaml:"start" doc:"time from the start of an instance until it answers"`
	Min         int           `yaml:"min" doc:"instances kept even when idle"`
	Max         int           `yaml:"max" doc:"instances at most"`
	Concurrency int           `yaml:"concurrency" doc:"calls at once in one instance"`
	Target      int           `yaml:"target" doc:"wanted use of concurrency in percent"`
	RPS         int           `yaml:"rps" doc:"wanted requests a second for each instance; 0 is no signal"`
	Queue       int           `yaml:"queue" doc:"calls that may wait while no slot is free"`
	Freeze      time.Duration `yaml:"freeze" doc:"idle time before an instance is frozen; negative is never"`
	Idle        time.Duration `yaml:"idle" doc:"idle time before an instance is removed"`
	Network     string        `yaml:"network" doc:"outbound network of functions, on or off"`
}

// Policy returns the defaults as the domain has them.
func (d Defaults) Policy() fn.Policy {
	return fn.Policy{
		Limits: fn.Limits{
			Memory: int64(d.Memory), CPU: int(d.CPU), Pids: d.Pids, Tmp: int64(d.Tmp),
			Timeout: d.Timeout, Start: d.Start,
		},
		Scale: fn.Scale{
			Min: d.Min, Max: d.Max, Concurrency: d.Concurrency, Target: d.Target, RPS: d.RPS,
			Queue: d.Queue, Freeze: d.Freeze, Idle: d.Idle,
		},
		Network: fn.Network(d.Network),
	}
}

// Pool is about the life of instances.
type Pool struct {
	StartsAtOnce int           `yaml:"startsAtOnce" doc:"instances that may be starting at one time, over all functions; 0 is four for each processor"`
	ReapInterval time.Duration `yaml:"reapInterval" doc:"how often idle instances are looked for"`
	DrainGrace   time.Duration `yaml:"drainGrace" doc:"time running calls get to end when an instance goes or the server stops"`
}

// Engine is about sandboxes.
type Engine struct {
	UIDBase     int      `yaml:"uidBase" doc:"first user id given to functions; as root only"`
	UIDCount    int      `yaml:"uidCount" doc:"number of user ids given to functions"`
	Programs    []string `yaml:"programs" doc:"folders in which interpreters and build tools are searched, in this order; below the runtime folders"`
	RuntimeDirs []string `yaml:"runtimeDirs" doc:"folders of the host that every function sees, read-only, with the programs and libraries it runs on"`
	Subnet      string   `yaml:"subnet" doc:"network (CIDR) from which instances get their addresses; another one is taken if it overlaps one of the host's"`
	Spares      int      `yaml:"spares" doc:"network namespaces kept ready for the next start"`
	Denied      []string `yaml:"denied" doc:"networks (CIDR) no function may reach, besides link-local addresses and this server"`
}

// Build is about turning sources into artifacts.
type Build struct {
	Env      []string `yaml:"env" doc:"names of environment variables of the server that build tools may see, such as the addresses of package mirrors and the certificates they are known by"`
	Parallel int      `yaml:"parallel" doc:"builds at one time; 0 is one for each two processors"`
	Memory   Bytes    `yaml:"memory" doc:"memory of one build"`
	Cache    string   `yaml:"cache" doc:"folder of the tools' download and compile caches; the default is caches in the data folder; servers may share one"`
}

// Logs is about what functions print.
type Logs struct {
	Bytes Bytes `yaml:"bytes" doc:"size of the log ring kept on disk for each function"`
}

// Calls is about invocation records.
type Calls struct {
	Records int `yaml:"records" doc:"newest calls kept in memory, over all functions"`
}

// Metrics is about counters in the format Prometheus reads.
type Metrics struct {
	OpenFaaS bool `yaml:"openfaas" doc:"serve the metrics under the names OpenFaaS has for them, too"`
	Public   bool `yaml:"public" doc:"/metrics on the API's port needs no account, as OpenFaaS has it; the names of all functions are in it"`
}

// OpenFaaS is about what only users of OpenFaaS look for.
type OpenFaaS struct {
	MetricsListen   string `yaml:"metricsListen" doc:"address and port of a second listener with /metrics and /healthz, without an account, where Prometheus expects OpenFaaS's gateway; off is none"`
	BuilderSecret   string `yaml:"builderSecret" doc:"file with the payload secret that requests to the Function Builder API, POST /build, are signed with; empty is no such API"`
	BuilderInFlight int    `yaml:"builderInFlight" doc:"builds of that API at one time; further ones are refused"`
}

// Default returns the configuration of a server that is told nothing, whose
// data lies in data.
func Default(data string) Config {
	p := fn.Default()
	return Config{
		Listen: "127.0.0.1:8080",
		Data:   data,
		Domain: "rouse.localhost",
		Log:    Log{Level: "info", Format: "text"},
		Gateway: Gateway{
			HeadTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHead: 64 << 10,
			MaxConnections: 20_000,
		},
		Limits: Limits{
			Upload: 1 << 30, Unpacked: 4 << 30, Files: 100_000, BuildTimeout: 10 * time.Minute, Revisions: 10,
		},
		Defaults: Defaults{
			Memory: Bytes(p.Limits.Memory), CPU: CPU(p.Limits.CPU), Pids: p.Limits.Pids, Tmp: Bytes(p.Limits.Tmp),
			Timeout: p.Limits.Timeout, Start: p.Limits.Start,
			Min: p.Scale.Min, Max: p.Scale.Max, Concurrency: p.Scale.Concurrency, Target: p.Scale.Target,
			RPS: p.Scale.RPS, Queue: p.Scale.Queue, Freeze: p.Scale.Freeze, Idle: p.Scale.Idle,
			Network: string(p.Network),
		},
		Pool: Pool{ReapInterval: 250 * time.Millisecond, DrainGrace: 30 * time.Second},
		Engine: Engine{
			UIDBase: 1_000_000_000, UIDCount: 65_536,
			Programs:    []string{"/usr/local/bin", "/usr/bin", "/bin"},
			RuntimeDirs: []string{"/usr"},
			Subnet:      "10.231.0.0/16", Spares: 4,
		},
		Build: Build{
			Env: []string{
				"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "PIP_CERT",
				"GOPROXY", "GOSUMDB", "PIP_INDEX_URL", "PIP_FIND_LINKS", "NPM_CONFIG_REGISTRY", "BUNDLE_MIRROR__ALL",
			},
			Memory: 2 << 30,
		},
		Logs:  Logs{Bytes: 4 << 20},
		Calls: Calls{Records: 10_000}, Metrics: Metrics{OpenFaaS: true},

		OpenFaaS: OpenFaaS{MetricsListen: "127.0.0.1:8082", BuilderInFlight: 4},
	}
}
