package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		os.Exit(serve())
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if os.Getenv("ROUSE_TEST_PROGRAMS") == "" {
			if dir, err := programs(); err == nil {
				os.RemoveAll(dir)
			}
		}
		os.Exit(code)
	}))
}

// syncBuffer collects output from two goroutines and tells about it.
type syncBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer  // guarded by mu
	news chan struct{} // holds one
}

func newBuffer() *syncBuffer { return &syncBuffer{news: make(chan struct{}, 1)} }

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.news <- struct{}{}:
	default:
	}
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// await returns once the output holds text.
func (b *syncBuffer) await(t testing.TB, text string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for !strings.Contains(b.String(), text) {
		select {
		case <-b.news:
		case <-timeout:
			t.Fatalf("no %q in the output:\n%s", text, b.String())
		}
	}
}

var engines atomic.Int64

func testConfig(t testing.TB) Config {
	n := engines.Add(1)
	return Config{
		RunDir: t.TempDir(), CgroupRoot: "rouse-test", ServerID: fmt.Sprintf("t-%d-%d", os.Getpid(), n),
		UIDBase: 300000 + int(n)*100, UIDCount: 100,
	}
}

// newEngine makes an engine that is closed at the end of the test.
func newEngine(t testing.TB, change ...func(*Config)) *Engine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: sandboxes of the full level are made by root only")
	}
	return newAnyEngine(t, change...)
}

func newAnyEngine(t testing.TB, change ...func(*Config)) *Engine {
	t.Helper()
	cfg := testConfig(t)
	for _, f := range change {
		f(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error("closing the engine:", err)
		}
	})
	return e
}

// command is a program that takes no calls.
func command(id string, argv ...string) engine.Spec {
	return engine.Spec{
		ID: id, Revision: fn.RevisionRef{Ref: fn.Ref{Namespace: "default", Name: id}, Number: 1},
		Program: fn.Program{Command: argv, Listen: fn.ListenNone, Dir: "/"},
		Limits:  fn.Default().Limits, Network: fn.NetworkOff,
	}
}

// probe runs the test program of that name from /function.
func probe(t testing.TB, id string, args ...string) engine.Spec {
	s := command(id, append([]string{"/function/probe"}, args...)...)
	s.Root = testPrograms(t)
	return s
}

// start starts an instance that is killed at the end of the test.
func start(t testing.TB, e *Engine, spec engine.Spec) (engine.Instance, *syncBuffer) {
	t.Helper()
	out := newBuffer()
	if spec.Stdout == nil {
		spec.Stdout, spec.Stderr = out, out
	}
	i, err := e.Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(context.Background(), 0); err != nil {
			t.Error(err)
		}
	})
	return i, out
}

// finish waits for the end of an instance.
func finish(t testing.TB, i engine.Instance, out *syncBuffer) engine.Exit {
	t.Helper()
	select {
	case <-i.Done():
	case <-time.After(60 * time.Second):
		t.Fatalf("%s does not end; output so far:\n%s", i.ID(), out.String())
	}
	return i.Exit()
}

// run starts a program and waits for its end.
func run(t testing.TB, e *Engine, spec engine.Spec) (string, engine.Exit) {
	t.Helper()
	i, out := start(t, e, spec)
	exit := finish(t, i, out)
	return out.String(), exit
}
