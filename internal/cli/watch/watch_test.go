package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is a watched folder and a way to wait for its changes.
type watched struct {
	*testing.T
	dir string
	w   *Watcher
}

func start(t *testing.T) watched {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"src/deep", "node_modules/x"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w, err := New([]string{dir}, func(root, name string, _ bool) bool {
		return root == dir && (strings.HasPrefix(name, "node_modules") || strings.HasSuffix(name, ".log"))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return watched{t, dir, w}
}

func (w watched) write(name, text string) {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		w.Fatal(err)
	}
}

// next wants a change; how long that may take is for the kernel to say.
func (w watched) next() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	defer cancel()
	if err := w.w.Next(ctx); err != nil {
		w.Fatal(err)
	}
}

// silent wants none. Every change before it has been waited for, so that only
// what the kernel has queued by now could wake it.
func (w watched) silent() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 100*time.Millisecond)
	defer cancel()
	if err := w.w.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		w.Errorf("woke up: %v", err)
	}
}

func TestChangesWakeOnce(t *testing.T) {
	w := start(t)
	w.write("a", "1")
	w.write("a", "2")
	w.write("src/deep/b", "1")
	w.next()
	w.silent()
	if err := os.Rename(filepath.Join(w.dir, "a"), filepath.Join(w.dir, "c")); err != nil {
		t.Fatal(err)
	}
	w.next()
	if err := os.Remove(filepath.Join(w.dir, "c")); err != nil {
		t.Fatal(err)
	}
	w.next()
}

func TestNewFoldersAreWatched(t *testing.T) {
	w := start(t)
	w.write("new/deeper/file", "1")
	w.next()
	w.write("new/deeper/file", "2")
	w.next()
}

func TestIgnoredFilesDoNotWake(t *testing.T) {
	w := start(t)
	w.write("node_modules/x/y", "1")
	w.write("src/trace.log", "1")
	w.silent()
	w.write("src/x", "1")
	w.next()
}

func TestMissingRootIsAnError(t *testing.T) {
	if _, err := New([]string{filepath.Join(t.TempDir(), "none")}, nil); err == nil {
		t.Error("a folder that is not there is watched")
	}
}
