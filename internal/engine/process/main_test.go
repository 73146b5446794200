package process

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// syncBuffer collects output from two goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// newEngine makes an engine that is closed at the end of the test.
func newEngine(t testing.TB, change ...func(*Config)) *Engine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: sandboxes of the full level are made by root only")
	}
	cfg := Config{RunDir: t.TempDir(), ServerID: "test-" + strings.ToLower(time.Now().Format("150405.000000")[7:])}
	cfg.CgroupRoot = "rouse-test"
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

func command(id string, argv ...string) engine.Spec {
	return engine.Spec{
		ID: id, Revision: fn.RevisionRef{Ref: fn.Ref{Namespace: "default", Name: id}, Number: 1},
		Program: fn.Program{Command: argv, Listen: fn.ListenNone, Dir: "/"},
		Limits:  fn.Default().Limits, Network: fn.NetworkOff,
	}
}

// run starts a program and waits for its end.
func run(t testing.TB, e *Engine, spec engine.Spec) (string, engine.Exit) {
	t.Helper()
	var out syncBuffer
	spec.Stdout, spec.Stderr = &out, &out
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	i, err := e.Start(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-i.Done():
	case <-ctx.Done():
		_ = i.Stop(context.Background(), 0)
		t.Fatalf("%v does not end; output so far:\n%s", spec.Program.Command, out.String())
	}
	return out.String(), i.Exit()
}
