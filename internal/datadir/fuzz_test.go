package datadir

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzUnpack gives the unpacker any tar, as if its seal were right.
func FuzzUnpack(f *testing.F) {
	id := member{name: "artifacts/id/", kind: tar.TypeDir}
	f.Add(makeTar(f, whole(f)))
	f.Add(makeTar(f, whole(f, id, member{name: "artifacts/id/a", content: "x"}, member{name: "artifacts/id/l", kind: tar.TypeSymlink, target: "a"})))
	f.Add(makeTar(f, whole(f, id, member{name: "artifacts/id/d/", kind: tar.TypeDir}, member{name: "artifacts/id/d/l", kind: tar.TypeSymlink, target: "../../id/../x"})))
	f.Add(makeTar(f, whole(f, id, member{name: "artifacts/id/h", kind: tar.TypeLink, target: "/etc/passwd"})))
	f.Fuzz(func(t *testing.T, plain []byte) {
		parent := t.TempDir()
		path := filepath.Join(parent, "root")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(path)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		u := &unpacker{root: root, maxBytes: 1 << 20, maxMembers: 100}
		err = u.run(tar.NewReader(bytes.NewReader(plain)))
		if got := names(t, parent); len(got) != 1 {
			t.Fatalf("written beside the root: %v", got)
		}
		checkUnpacked(t, path, err == nil)
	})
}

// checkUnpacked checks that only what may be in a data folder is there, and that
// no link leads out of its artifact.
func checkUnpacked(t *testing.T, path string, good bool) {
	t.Helper()
	err := filepath.WalkDir(path, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch entry.Type() {
		case 0, fs.ModeDir:
			return nil
		case fs.ModeSymlink:
			checkInside(t, path, p)
			return nil
		}
		t.Errorf("%s has the mode %v", p, entry.Type())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := names(t, path); good && len(left) > 0 {
		for _, name := range left {
			if name != memberObjects && name != artifactsDir {
				t.Errorf("left beside the objects and the artifacts: %s", name)
			}
		}
	}
}

// checkInside follows the link as the kernel does.
func checkInside(t *testing.T, path, link string) {
	t.Helper()
	rel, err := filepath.Rel(filepath.Join(path, artifactsDir), link)
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(rel, "/")
	artifact := filepath.Join(path, artifactsDir, id)
	target, err := filepath.EvalSymlinks(link)
	if err != nil {
		return // leads to nothing, or in a circle
	}
	if target != artifact && !strings.HasPrefix(target, artifact+"/") {
		t.Errorf("%s leads to %s", link, target)
	}
}

// FuzzSeal gives Restore's outermost layer any bytes.
func FuzzSeal(f *testing.F) {
	f.Add([]byte{})
	f.Add(craft(f, whole(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newSealReader(bytes.NewReader(b))
		var got bytes.Buffer
		if _, err := got.ReadFrom(r); err != nil {
			return
		}
		var again bytes.Buffer
		w := newSealWriter(&again)
		if _, err := w.Write(got.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.finish(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), b) {
			t.Fatal("a seal was accepted that is not the one of these bytes")
		}
	})
}
