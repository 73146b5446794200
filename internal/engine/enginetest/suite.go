package enginetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// Open makes an engine. id names the server it belongs to, [a-z0-9-]{1,40}:
// what an engine leaves when it is killed, the next one with the same id
// finds. The suite never has two with one id at the same time.
type Open func(id string) (engine.Engine, error)

// Options say what the engine can do on this host; what is left out is not
// tested. An engine that can do all sets everything.
type Options struct {
	Isolated bool // the program sees /function, a /tmp of its own and no host process or file
	Network  bool // each instance has a network of its own
	Freeze   bool // instances implement engine.Freezer
	Meter    bool // instances implement engine.Meter
	Memory   bool // Limits.Memory is enforced, running out of it is recognised
	Pids     bool // Limits.Pids is enforced
	CPU      bool // Limits.CPU is enforced; needs Meter
	Tmp      bool // Limits.Tmp is enforced; needs Isolated
	Recover  bool // what a killed server leaves can be found; needs Main
	Files    bool // Spec.Files are there; needs Isolated

	// Folders returns the host folders where an engine keeps things on disk.
	Folders func(id string) []string

	// Hidden are further host files and folders that Escapes must not see.
	Hidden []string
	// Concedes names the attempts of Escapes that this engine cannot stop on
	// this host, each with the reason.
	Concedes map[string]string
}

// limit bounds every wait of the suite.
const limit = 30 * time.Second

// Run runs the suite against engines made by open.
func Run(t *testing.T, open Open, opts Options) {
	s := newSuite(t, open, opts)
	for _, group := range []struct {
		name  string
		on    bool
		cases []testCase
	}{
		{"start", true, startCases()},
		{"sandbox", opts.Isolated, sandboxCases()},
		{"files", opts.Files, fileCases()},
		{"dial", true, dialCases()},
		{"end", true, endCases()},
		{"crowd", true, crowdCases()},
		{"freeze", opts.Freeze, freezeCases()},
		{"use", opts.Meter, meterCases()},
		{"limits", true, limitCases()},
		{"close", true, closeCases()},
		{"recover", opts.Recover, recoverCases()},
	} {
		t.Run(group.name, func(t *testing.T) {
			if !group.on {
				t.Skip("this engine, or this host, does not offer it")
			}
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) { c.run(t, s) })
			}
		})
	}
}

type testCase struct {
	name string
	run  func(*testing.T, *suite)
}

type suite struct {
	open  Open
	opts  Options
	root  string // the artifact: a folder with the probe
	count atomic.Int64
}

func newSuite(t *testing.T, open Open, opts Options) *suite {
	t.Helper()
	return &suite{open: open, opts: opts, root: buildProbe(t)}
}

// buildProbe makes an artifact of testdata/probe.
func buildProbe(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	c := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(root, "probe"),
		"rouse.dev/rouse/internal/engine/enginetest/testdata/probe")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("building the program under test: %v\n%s", err, out)
	}
	for path, text := range map[string]string{"text": "an artifact's file\n", "folder/inner": "deeper\n", "plain": "not a program\n"} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{root, filepath.Dir(root)} { // whoever the program runs as
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// freshID returns an id that no other server and no process has.
func freshID() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return "et-" + hex.EncodeToString(b[:])
}

// engine opens an engine for one test.
func (s *suite) engine(t *testing.T) engine.Engine {
	t.Helper()
	return s.engineOf(t, freshID())
}

func (s *suite) engineOf(t *testing.T, id string) engine.Engine {
	t.Helper()
	e, err := s.open(id)
	if err != nil {
		t.Fatal("opening an engine:", err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error("closing the engine:", err)
		}
	})
	if _, err := e.Recover(t.Context()); err != nil {
		t.Fatal("recovering:", err)
	}
	return e
}

// running is an instance and what it said.
type running struct {
	engine.Instance
	token          string // in the command line of all its processes
	stdout, stderr *output
}

// spec describes an instance that runs the probe with words.
func (s *suite) spec(words ...string) engine.Spec {
	n := s.count.Add(1)
	token := freshID() + "-token"
	return engine.Spec{
		ID:       "t" + strings.TrimPrefix(freshID(), "et"),
		Revision: fn.RevisionRef{Ref: fn.Ref{Namespace: "default", Name: "probe"}, Number: int(n)},
		Root:     s.root,
		Program:  fn.Program{Command: append(append([]string{"/function/probe"}, words...), token), Listen: fn.ListenNone, Contract: "http"},
		Env:      map[string]string{},
		Limits:   fn.Default().Limits,
		Network:  fn.NetworkOff,
		Stdout:   newOutput(), Stderr: newOutput(),
	}
}

// server describes an instance that takes commands.
func (s *suite) server(listen fn.Listen) engine.Spec {
	spec := s.spec("serve")
	spec.Program.Listen = listen
	return spec
}

// start starts spec and stops it with the test.
func (s *suite) start(t *testing.T, e engine.Engine, spec engine.Spec) *running {
	t.Helper()
	r, err := tryStart(t.Context(), e, spec)
	if err != nil {
		t.Fatal("starting:", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), limit)
		defer cancel()
		if err := r.Stop(ctx, 0); err != nil {
			t.Errorf("stopping %s: %v", r.ID(), err)
		}
		if t.Failed() {
			t.Logf("%s said %.2000q and %.2000q", r.ID(), r.stdout, r.stderr)
		}
	})
	return r
}

func tryStart(ctx context.Context, e engine.Engine, spec engine.Spec) (*running, error) {
	i, err := e.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	r := &running{Instance: i, token: spec.Program.Command[len(spec.Program.Command)-1]}
	r.stdout, _ = spec.Stdout.(*output)
	r.stderr, _ = spec.Stderr.(*output)
	return r, nil
}

// wait waits for the end of an instance and returns it.
func (r *running) wait(t *testing.T) engine.Exit {
	t.Helper()
	select {
	case <-r.Done():
		return r.Exit()
	case <-time.After(limit):
		t.Fatalf("%s does not end; it said %q and %q", r.ID(), r.stdout, r.stderr)
		panic("unreachable")
	}
}

// within returns a context that ends in time for the suite's limit.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually asks again and again until ok says yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("gave up waiting: ", what)
		}
	}
}
