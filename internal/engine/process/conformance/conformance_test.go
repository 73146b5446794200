package conformance

import (
	"os"
	"path/filepath"
	"testing"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/enginetest"
	"rouse.dev/rouse/internal/engine/process"
	"rouse.dev/rouse/internal/engine/process/netns"
)

func TestMain(m *testing.M) { enginetest.Main(m, open) }

// runDir is the same for the same id: a server that starts again finds what
// it left.
func runDir(id string) string { return filepath.Join(os.TempDir(), "rouse-conformance-"+id) }

func open(id string) (engine.Engine, error) {
	net, err := netns.New(netns.Config{ServerID: id})
	if err != nil {
		return nil, err
	}
	e, err := process.New(process.Config{RunDir: runDir(id), ServerID: id, CgroupRoot: "rouse-conformance", Netns: net})
	if err != nil {
		return nil, err
	}
	return &tidy{e, runDir(id)}, nil
}

// tidy removes the run folder with the engine.
type tidy struct {
	*process.Engine
	dir string
}

func (e *tidy) Close() error {
	err := e.Engine.Close()
	if err == nil {
		err = os.RemoveAll(e.dir)
	}
	return err
}

// options says what this host can do, as the engine itself sees it.
func options(t *testing.T) enginetest.Options {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: the suite runs on a private host")
	}
	e, err := open("probe")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ok := map[string]bool{}
	for _, c := range e.(engine.Reporter).Report(t.Context()).Checks {
		t.Logf("%+v", c)
		for _, v := range []string{"", " (cgroup v1)", " (cgroup v2)"} {
			for _, n := range []string{"memory limit", "process limit", "processor limit"} {
				if c.Name == n+v {
					ok[n] = c.OK
				}
			}
		}
	}
	return enginetest.Options{
		Isolated: true, Network: true, Freeze: true, Meter: true, Tmp: true, Recover: true, Files: true,
		Memory: ok["memory limit"], Pids: ok["process limit"], CPU: ok["processor limit"],
		Folders: func(id string) []string { return []string{runDir(id)} },
	}
}

func TestPort(t *testing.T) { enginetest.Run(t, open, options(t)) }

func TestEscapes(t *testing.T) { enginetest.Escapes(t, open, options(t)) }
