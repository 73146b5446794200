package datadir_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/memory"
	"rouse.dev/rouse/internal/store/pebble"
)

// quiet is a store without the ballast, which is slow to write in many tests.
func quiet() pebble.Config { return pebble.Config{Ballast: -1} }

func openDir(t *testing.T, path string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return d
}

func openStore(t *testing.T, d *datadir.Dir) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(d.Store(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return s
}

func restoreConfig() datadir.RestoreConfig {
	return datadir.RestoreConfig{
		Open:     func(path string) (datadir.Loader, error) { return pebble.Open(path, quiet()) },
		Validate: func(store.Object) error { return nil },
	}
}

// writeArtifact makes files, folders (name ends in "/") and links (content
// begins with "-> ") below an artifact.
func writeArtifact(t *testing.T, d *datadir.Dir, id string, files ...string) {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(d.Artifacts(), id, files[i])
		target, isLink := strings.CutPrefix(files[i+1], "-> ")
		err := os.MkdirAll(filepath.Dir(path), 0o755) //nolint:gosec // functions run as other users
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, path)
		case strings.HasSuffix(files[i], "/"):
			err = os.MkdirAll(path, 0o755) //nolint:gosec // functions run as other users
		default:
			err = os.WriteFile(path, []byte(files[i+1]), 0o644) //nolint:gosec // functions run as other users
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// tree describes all below path: kind, mode, time of files, content or target.
func tree(t *testing.T, path string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			what += fmt.Sprint(" ", info.ModTime().UnixNano(), " ", len(content), " ", string(content[:min(len(content), 100)]))
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			what += " -> " + target
		}
		rel, err := filepath.Rel(path, p)
		out[rel] = what
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func put(name, value string) store.Change {
	return store.Change{Key: store.Key{Kind: "things", Namespace: "ns", Name: name}, Labels: map[string]string{"l": value}, Value: []byte(value), IfVersion: store.AnyVersion}
}

func all(t *testing.T, s store.Store) ([]store.Object, uint64) {
	t.Helper()
	objects, version, err := s.List(t.Context(), store.Query{Kind: "things"})
	if err != nil {
		t.Fatal(err)
	}
	return objects, version
}

func TestARestoredFolderIsLikeTheOneBackedUp(t *testing.T) {
	d := openDir(t, t.TempDir())
	s := openStore(t, d)
	if _, err := s.Apply(t.Context(), put("a", "1"), put("b", "2"), put("c", "3")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), put("a", "4"), store.Change{Key: put("c", "").Key, IfVersion: store.AnyVersion}); err != nil {
		t.Fatal(err)
	}
	writeArtifact(t, d, "sha256:11", "index.js", "console.log(1)", "node_modules/.bin/tool", "-> ../tool/cli.js",
		"node_modules/tool/cli.js", "#!/usr/bin/env node", "empty/", "", "empty file", "", "odd\nname\\", "x",
		"long/"+strings.Repeat("n", 200)+"/"+strings.Repeat("m", 200), "long names", "big", strings.Repeat("0123456789", 300_000))
	writeArtifact(t, d, "sha256:22", "bin/handler", "\x7fELF")
	if err := os.Chmod(filepath.Join(d.Artifacts(), "sha256:22/bin/handler"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	old := time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	if err := os.Chtimes(filepath.Join(d.Artifacts(), "sha256:11/index.js"), old, old); err != nil {
		t.Fatal(err)
	}
	wantTree := tree(t, d.Artifacts())
	writeArtifact(t, d, ".unfinished", "half", "x")
	writeArtifact(t, d, "../sources/f", "main.go", "package main")

	var archive bytes.Buffer
	if err := datadir.Backup(t.Context(), &archive, d, s); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(d.Tmp()); err != nil || len(left) > 0 {
		t.Errorf("left in tmp: %v, %v", left, err)
	}
	path := filepath.Join(t.TempDir(), "restored")
	var seen []string
	c := restoreConfig()
	c.Validate = func(o store.Object) error { seen = append(seen, o.Key.String()); return nil }
	if err := datadir.Restore(t.Context(), &archive, path, c); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"things ns/a", "things ns/b"}, seen); d != "" {
		t.Errorf("validated: %s", d)
	}
	r := openDir(t, path)
	if d := cmp.Diff(wantTree, tree(t, r.Artifacts())); d != "" {
		t.Errorf("artifacts (-want +got):\n%s", d)
	}
	if left, err := os.ReadDir(r.Sources()); err != nil || len(left) > 0 {
		t.Errorf("sources: %v, %v", left, err)
	}
	wantObjects, wantVersion := all(t, s)
	gotObjects, gotVersion := all(t, openStore(t, r))
	if d := cmp.Diff(wantObjects, gotObjects); d != "" || wantVersion != gotVersion {
		t.Errorf("version %d, want %d; objects (-want +got):\n%s", gotVersion, wantVersion, d)
	}
	if mode := tree(t, path)["."]; mode != "drwx------" {
		t.Errorf("the restored folder has mode %s", mode)
	}
}

func TestABackupIsOfOneMomentWhileOthersWrite(t *testing.T) {
	d := openDir(t, t.TempDir())
	s := openStore(t, d)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const writers = 4
	started := make(chan struct{}, writers)
	var crew sync.WaitGroup
	for w := range writers {
		crew.Go(func() {
			for n := 0; ; n++ {
				v := fmt.Sprint(n)
				_, err := s.Apply(ctx, put(fmt.Sprint("a", w), v), put(fmt.Sprint("b", w), v), put(fmt.Sprint("x", w, "-", n%50), v))
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						t.Errorf("writing: %v", err)
					}
					return
				}
				if n == 0 {
					started <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-started
	}
	for i := range 5 {
		before, low := all(t, s)
		var archive bytes.Buffer
		if err := datadir.Backup(t.Context(), &archive, d, s); err != nil {
			t.Fatal(err)
		}
		_, high := all(t, s)
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		twin := memory.New(memory.Config{})
		c := restoreConfig()
		c.Open = func(string) (datadir.Loader, error) { return keepOpen{twin}, nil }
		if err := datadir.Restore(t.Context(), &archive, path, c); err != nil {
			t.Fatal(err)
		}
		objects, version := all(t, twin)
		if version < low || version > high || len(objects) < len(before) {
			t.Errorf("version %d with %d objects, want one from %d to %d with at least %d", version, len(objects), low, high, len(before))
		}
		checkMoment(t, objects, version)
		if err := twin.Close(); err != nil {
			t.Error(err)
		}
	}
	stop()
	crew.Wait()
}

// keepOpen is a store that outlives Restore.
type keepOpen struct{ *memory.Store }

func (keepOpen) Close() error { return nil }

func checkMoment(t *testing.T, objects []store.Object, version uint64) {
	t.Helper()
	values := make(map[string]string)
	for _, o := range objects {
		values[o.Name] = string(o.Value)
		if o.Version > version {
			t.Errorf("%s has version %d, the store %d", o.Key, o.Version, version)
		}
	}
	for name, a := range values {
		if w, ok := strings.CutPrefix(name, "a"); ok && values["b"+w] != a {
			t.Errorf("half a batch: %q and %q", a, values["b"+w])
		}
	}
}

func TestWhatABackupCannotHoldIsAnError(t *testing.T) {
	for _, c := range []struct{ name, target, text string }{
		{"abs", "-> /etc/passwd", "not a relative path"},
		{"out", "-> ../other/secret", "leads out"},
		{"trick", "-> a/../../x", "after it went down"},
	} {
		d := openDir(t, t.TempDir())
		writeArtifact(t, d, "id", "a/file", "x", c.name, c.target)
		err := datadir.Backup(t.Context(), io.Discard, d, memory.New(memory.Config{}))
		if !errors.Is(err, fn.Invalid) || !strings.Contains(err.Error(), c.text) || fn.Hint(err) == "" {
			t.Errorf("%s: got %v, hint %q", c.name, err, fn.Hint(err))
		}
	}
}

func TestABackupEndsWithItsContextAndItsWriter(t *testing.T) {
	d := openDir(t, t.TempDir())
	s := memory.New(memory.Config{})
	writeArtifact(t, d, "id", "big", strings.Repeat("x", 1<<20))
	gone := errors.New("client left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if err := datadir.Backup(ctx, io.Discard, d, s); !errors.Is(err, gone) {
		t.Errorf("got %v, want the cause", err)
	}
	r, w := io.Pipe()
	if err := r.CloseWithError(gone); err != nil {
		t.Fatal(err)
	}
	if err := datadir.Backup(t.Context(), w, d, s); !errors.Is(err, gone) {
		t.Errorf("got %v, want the writer's error", err)
	}
	if left, err := os.ReadDir(d.Tmp()); err != nil || len(left) > 0 {
		t.Errorf("left in tmp: %v, %v", left, err)
	}
}

// TestABackupCanBeUnpackedByHand keeps the promise of the archive's layout.
func TestABackupCanBeUnpackedByHand(t *testing.T) {
	for _, tool := range []string{"zstd", "tar", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	d := openDir(t, t.TempDir())
	writeArtifact(t, d, "id", "a b/c", "content", "odd\nname\\", "x", "link", "-> a b/c")
	dir := t.TempDir()
	packed, err := os.Create(filepath.Join(dir, "backup.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(datadir.Backup(t.Context(), packed, d, memory.New(memory.Config{})), packed.Close()); err != nil {
		t.Fatal(err)
	}
	for _, argv := range [][]string{
		{"zstd", "-d", "-q", "backup.tar.zst"},
		{"tar", "-x", "-f", "backup.tar"},
		{"sha256sum", "--check", "--strict", "SHA256SUMS"},
	} {
		cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
}
