package datadir

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// holdEnv makes the test binary a server that holds a folder until it is killed.
const holdEnv = "ROUSE_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		_, err := Open(path)
		fmt.Println("open:", err)
		select {}
	}
	goleak.VerifyTestMain(m)
}

func mustOpen(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Errorf("closing: %v", err)
		}
	})
	return d
}

// wantError checks kind, a word of the text and a word of the hint.
func wantError(t *testing.T, err error, kind fn.Kind, text, hint string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) || !strings.Contains(fn.Hint(err), hint) {
		t.Errorf("got %v (%s), hint %q; want kind %s, %q in the text and %q in the hint", err, fn.KindOf(err), fn.Hint(err), kind, text, hint)
	}
}

func names(t testing.TB, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestOpenMakesAPrivateFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "data")
	d := mustOpen(t, path)
	if d.Path() != path {
		t.Errorf("path %s, want %s", d.Path(), path)
	}
	for _, p := range []string{d.Path(), d.Store(), d.Artifacts(), d.Logs(), d.Sources(), d.Run(), d.Tmp()} {
		info, err := os.Stat(p)
		if err != nil || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%s: mode %v, error %v; want a folder with 0700", p, info.Mode(), err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(path, "format")); err != nil || string(text) != "1\n" {
		t.Errorf("format %q, error %v", text, err)
	}
}

func TestOpenClosesAnEmptyFolderToOthers(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil { //nolint:gosec // what is tested
		t.Fatal(err)
	}
	mustOpen(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, error %v", info.Mode(), err)
	}
}

func TestOpenKeepsOffForeignFolders(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil { //nolint:gosec // what is tested
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	wantError(t, err, fn.Invalid, "thesis.tex", "--data")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o755 || !slices.Equal(names(t, path), []string{"thesis.tex"}) {
		t.Errorf("the folder was changed: mode %v, names %v, error %v", info.Mode(), names(t, path), err)
	}
	_, err = Open(filepath.Join(path, "thesis.tex"))
	wantError(t, err, fn.Invalid, "not a folder", "")
	_, err = Open(filepath.Join(path, "thesis.tex", "below"))
	wantError(t, err, fn.Invalid, "not a directory", "--data")
}

func TestOpenGoesOnFromAnOpenThatWasCutShort(t *testing.T) {
	path := t.TempDir()
	for _, name := range []string{"lock", "format.new"} {
		if err := os.WriteFile(filepath.Join(path, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mustOpen(t, path)
}

func TestOpenEmptiesTmpOnly(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{d.Tmp(), d.Run(), d.Logs()} {
		if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(d.Tmp(), "link")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path)
	if left := names(t, d.Tmp()); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
	for _, p := range []string{outside, filepath.Join(d.Run(), "a", "b"), filepath.Join(d.Logs(), "a", "b")} {
		if _, err := os.Lstat(p); err != nil {
			t.Error(err)
		}
	}
}

func TestTheAddressIsThereWhileTheServerIs(t *testing.T) {
	path := t.TempDir()
	d := mustOpen(t, path)
	if err := d.Announce("127.0.0.1:18080"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(path, addressFile))
	if err != nil || string(text) != "127.0.0.1:18080\n" {
		t.Errorf("the file says %q, %v", text, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(path, addressFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the server has ended: %v", err)
	}
}

func TestOpenDoesNotReachThroughAMount(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	path := t.TempDir()
	d := mustOpen(t, path)
	at := filepath.Join(d.Tmp(), "left by a sandbox")
	host := t.TempDir()
	if err := os.WriteFile(filepath.Join(host, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(at, 0o700), d.Close()); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(host, at, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("this host lets root mount nothing: %v", err)
	}
	_, err := Open(path)
	wantError(t, err, fn.Conflict, at, "umount")
	if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if got := names(t, host); !slices.Equal(got, []string{"precious"}) {
		t.Errorf("the mounted folder holds %v", got)
	}
	mustOpen(t, path)
}

func TestASecondServerIsRefusedAndToldOfTheFirst(t *testing.T) {
	path := t.TempDir()
	first := mustOpen(t, path)
	_, err := Open(path)
	wantError(t, err, fn.Conflict, fmt.Sprintf("process id %d", os.Getpid()), fmt.Sprintf("kill %d", os.Getpid()))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path)
}

func TestAKilledServerLeavesNoLock(t *testing.T) {
	path := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "open: <nil>\n" {
		t.Errorf("the other server says %q, %v", line, err)
	}
	_, err = Open(path)
	wantError(t, err, fn.Conflict, fmt.Sprintf("process id %d", cmd.Process.Pid), fmt.Sprintf("kill %d", cmd.Process.Pid))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the other server ended well")
	}
	mustOpen(t, path)
}

func TestALockFileWithoutAProcessIDIsNoReasonToFail(t *testing.T) {
	path := t.TempDir()
	mustOpen(t, path)
	if err := os.WriteFile(filepath.Join(path, "lock"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	wantError(t, err, fn.Conflict, "another server", "--data")
}

func TestArtifactsAreNotCollectedDuringABackup(t *testing.T) {
	d := mustOpen(t, t.TempDir())
	ran := false
	d.artifacts.RLock()
	err := d.CollectArtifacts(func() error { ran = true; return nil })
	d.artifacts.RUnlock()
	if !errors.Is(err, fn.Unavailable) || ran {
		t.Errorf("during a backup: ran %v, error %v", ran, err)
	}
	if err := d.CollectArtifacts(func() error { ran = true; return fn.NotFound }); !errors.Is(err, fn.NotFound) || !ran {
		t.Errorf("after it: ran %v, error %v", ran, err)
	}
}
