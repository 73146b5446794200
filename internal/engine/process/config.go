package process

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"

	"rouse.dev/rouse/internal/engine/process/netns"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/engine/process/view"
	"rouse.dev/rouse/internal/fn"
)

// Config says where the engine keeps its things and what sandboxes see.
type Config struct {
	// RunDir is a folder of the engine's own, made with mode 0700. It must
	// not be shared with another server.
	RunDir string
	// ServerID tells two servers on one host apart: [a-z0-9-]{1,40}. It must
	// be the same after a restart, or Recover finds nothing.
	ServerID string
	// CgroupRoot is the folder below each control group hierarchy, "rouse" if
	// empty.
	CgroupRoot string
	// UIDBase and UIDCount are the host uids functions run as when the server
	// is root; 200000 and 65536 if 0.
	UIDBase, UIDCount int
	// RuntimeDirs are the host folders every sandbox sees, /usr if empty.
	RuntimeDirs []string
	// EtcPaths are what sandboxes see of /etc besides what is made for them;
	// view.DefaultEtcPaths if nil.
	EtcPaths []string
	// Netns gives sandboxes their network. Nil: each has a loopback interface
	// and nothing else. The engine runs it and closes it.
	Netns *netns.Manager
	// Level caps the isolation; "" takes the best the host gives.
	Level plan.Level
	// Forkers is how many sandboxes can be made at the same time, 2 if 0.
	Forkers int
	// SpareGroups is how many control groups are kept ready, 4 if 0.
	SpareGroups int
	// OOMScore makes the host's memory killer prefer functions to everything
	// else, 0–1000; 500 if 0.
	OOMScore int
	Log      *slog.Logger
}

var serverID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

func (c *Config) fill() error {
	if !filepath.IsAbs(c.RunDir) {
		return fn.Errorf(fn.Invalid, "run folder %q is not absolute", c.RunDir)
	}
	if !serverID.MatchString(c.ServerID) {
		return fn.Errorf(fn.Invalid, "bad server id %q", c.ServerID)
	}
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&c.UIDBase, 200000)
	def(&c.UIDCount, 65536)
	def(&c.Forkers, 2)
	def(&c.SpareGroups, 4)
	def(&c.OOMScore, 500)
	if c.UIDBase < 1000 || c.UIDCount < 1 || c.Forkers < 1 || c.SpareGroups < 0 || c.OOMScore < 0 || c.OOMScore > 1000 {
		return fn.Errorf(fn.Invalid, "bad process engine settings: uids %d+%d, forkers %d, spare groups %d, OOM score %d",
			c.UIDBase, c.UIDCount, c.Forkers, c.SpareGroups, c.OOMScore)
	}
	if len(c.RuntimeDirs) == 0 {
		c.RuntimeDirs = view.DefaultRuntimeDirs()
	}
	if c.EtcPaths == nil {
		c.EtcPaths = view.DefaultEtcPaths()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c.makeDirs()
}

// makeDirs makes the run folder and makes sure nobody else can look in.
func (c *Config) makeDirs() error {
	for _, d := range []string{c.RunDir, c.path("view"), c.path("socket"), c.path("tmp"), c.path("instances")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return fmt.Errorf("making the run folder: %w", err)
		}
	}
	return os.Chmod(c.RunDir, 0o700)
}

func (c *Config) path(name string) string { return filepath.Join(c.RunDir, name) }

// uidStart spreads servers with the same range.
func (c *Config) uidStart() int {
	h := fnv.New32a()
	h.Write([]byte(c.ServerID))
	return int(h.Sum32() >> 1)
}

func (c *Config) view() view.Config {
	return view.Config{RuntimeDirs: c.RuntimeDirs, EtcPaths: c.EtcPaths, Hostname: hostname}
}

// hostname is what every sandbox believes to run on.
const hostname = "fn"
