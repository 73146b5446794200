package pack

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

// folder writes files; names ending in "/" are folders, texts beginning with
// "-> " links, and "#!" makes a file executable.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch target, link := strings.CutPrefix(text, "-> "); {
		case link:
			err = os.Symlink(target, path)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case strings.HasPrefix(text, "#!"):
			err = os.WriteFile(path, []byte(text), 0o700)
		default:
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pack(t *testing.T, dir string) *Archive {
	t.Helper()
	a, err := Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// contents lists an archive as "name mode text".
func contents(t *testing.T, a *Archive) []string {
	t.Helper()
	zip, err := gzip.NewReader(a)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Linkname != "" {
			text = []byte("-> " + h.Linkname)
		}
		out = append(out, strings.TrimSpace(h.Name+" "+h.FileInfo().Mode().Perm().String()+" "+string(text)))
	}
}

func TestFolderKeepsContentsAndTheExecutableBit(t *testing.T) {
	a := pack(t, folder(t, map[string]string{
		"b.py": "b", "a/run": "#!x", "a/deep/c": "c", "empty/": "", "a/link": "-> ../b.py", ".git/config": "secret", ".hidden": "h",
	}))
	want := []string{
		".hidden -rw-r--r-- h", "a/ -rwxr-xr-x", "a/deep/ -rwxr-xr-x", "a/deep/c -rw-r--r-- c", "a/link -rwxrwxrwx -> ../b.py",
		"a/run -rwxr-xr-x #!x", "b.py -rw-r--r-- b", "empty/ -rwxr-xr-x",
	}
	if diff := cmp.Diff(want, contents(t, a)); diff != "" {
		t.Error(diff)
	}
	if a.Files != 5 || a.Ignored != 1 || a.By != "" {
		t.Errorf("%d files, %d ignored by %q", a.Files, a.Ignored, a.By)
	}
	text, err := os.ReadFile(a.Name())
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(text); a.Digest != "sha256:"+hex.EncodeToString(sum[:]) || a.Size != int64(len(text)) {
		t.Errorf("digest %s of %d bytes", a.Digest, a.Size)
	}
}

func TestSameFilesGiveTheSameBytes(t *testing.T) {
	files := map[string]string{"b.py": "b", "a/run": "#!x"}
	one := folder(t, files)
	old := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(one, "b.py"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(one, "b.py"), 0o666); err != nil {
		t.Fatal(err)
	}
	a, b := pack(t, one), pack(t, folder(t, files))
	files["b.py"] = "changed"
	c := pack(t, folder(t, files))
	if a.Digest != b.Digest || a.Digest == c.Digest {
		t.Errorf("digests %s, %s and, of other files, %s", a.Digest, b.Digest, c.Digest)
	}
}

func TestWhatCannotBePackedIsToldAllAtOnce(t *testing.T) {
	dir := folder(t, map[string]string{"ok": "1", "away": "-> /etc/passwd", "up": "-> ../x", "a/in": "-> ../ok"})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Folder(dir)
	var fields []string
	for _, m := range fn.MistakesOf(err) {
		fields = append(fields, m.Field)
	}
	if diff := cmp.Diff([]string{"away", "pipe", "up"}, fields); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
	if _, err := Folder(filepath.Join(dir, "nothing")); !errors.Is(err, fn.NotFound) {
		t.Errorf("missing folder: %v", err)
	}
	if _, err := Folder(filepath.Join(dir, "ok")); !errors.Is(err, fn.Invalid) {
		t.Errorf("a file as folder: %v", err)
	}
}

func TestIgnoreFiles(t *testing.T) {
	for name, row := range map[string]struct {
		files map[string]string
		want  string
		by    string
	}{
		"git's": {map[string]string{".gitignore": "*.log\n/build/\n", "a.log": "", "build/x": "", "src/build/y": "", "z": ""},
			".gitignore src/ src/build/ src/build/y z", ".gitignore"},
		"ours goes first": {map[string]string{".gitignore": "*", ".rouseignore": "a\n", "a": "", "b": ""},
			".gitignore .rouseignore b", ".rouseignore"},
	} {
		t.Run(name, func(t *testing.T) {
			a := pack(t, folder(t, row.files))
			var names []string
			for _, line := range contents(t, a) {
				names = append(names, strings.Fields(line)[0])
			}
			if got := strings.Join(names, " "); got != row.want || a.By != row.by {
				t.Errorf("%q by %q", got, a.By)
			}
		})
	}
}

func TestRules(t *testing.T) {
	for _, row := range []struct {
		patterns, name string
		dir, want      bool
	}{
		{"*.pyc", "a/b/c.pyc", false, true}, {"*.pyc", "a.py", false, false},
		{"node_modules/", "x/node_modules", true, true}, {"node_modules/", "node_modules", false, false},
		{"/out", "out", false, true}, {"/out", "a/out", false, false},
		{"a/b", "a/b", false, true}, {"a/b", "x/a/b", false, false},
		{"**/b", "x/y/b", false, true}, {"a/**", "a/b/c", false, true}, {"a/**/z", "a/z", false, true}, {"a/**/z", "a/b/c/z", false, true},
		{"*\n!keep", "keep", false, false}, {"!keep\n*", "keep", false, true},
		{"# remark\n\n  ", "# remark", false, false}, {"[", "[", false, false}, {"?.c", "a.c", false, true}, {"[a-c].x", "b.x", false, true},
		{"", ".git", true, true}, {"!.git", "a/.git", true, true}, {"x \r", "x", false, true},
	} {
		if got := parseRules(row.patterns).ignored(row.name, row.dir); got != row.want {
			t.Errorf("%q with %q: %v", row.patterns, row.name, got)
		}
	}
}

// FuzzRules checks that no pattern makes matching fail or run long, and that
// taking everything back leaves nothing out.
func FuzzRules(f *testing.F) {
	f.Add("*.log\n!a.log\n/b/**/c/\n", "a/b/c")
	f.Add(strings.Repeat("**/", 50)+"x", strings.Repeat("a/", 50)+"y")
	f.Add("[\n\\", "[")
	f.Fuzz(func(t *testing.T, patterns, name string) {
		if len(patterns) > 4096 || len(name) > 1024 {
			return
		}
		parseRules(patterns).ignored(name, true)
		for _, a := range always {
			if strings.HasSuffix("/"+name, "/"+a) {
				return
			}
		}
		if parseRules(patterns+"\n!**").ignored(name, true) {
			t.Errorf("%q left out though all was taken back", name)
		}
	})
}
