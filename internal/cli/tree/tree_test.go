package tree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

// folders makes an empty folder and one with n files of size bytes.
func folders(t *testing.T, n, size int) (from, to *os.Root) {
	t.Helper()
	source := t.TempDir()
	for i := range n {
		if err := os.WriteFile(filepath.Join(source, fmt.Sprint("f", i)), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var roots []*os.Root
	for _, dir := range []string{source, t.TempDir()} {
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = root.Close() })
		roots = append(roots, root)
	}
	return roots[0], roots[1]
}

func TestThereIsAnEndToWhatIsCopied(t *testing.T) {
	from, to := folders(t, 5, 100)
	for _, row := range []struct {
		bounds bounds
		fits   bool
	}{{bounds{5, 500}, true}, {bounds{4, 500}, false}, {bounds{5, 499}, false}} {
		c := &Copier{To: to, bounds: &row.bounds}
		err := c.Folder(from, "here", nil)
		if row.fits != (err == nil) || err != nil && !errors.Is(err, fn.TooLarge) {
			t.Errorf("%+v: %v", row.bounds, err)
		}
		if c.Bytes > row.bounds.bytes+1 {
			t.Errorf("%+v: %d bytes were read", row.bounds, c.Bytes)
		}
	}
	c := &Copier{To: to, bounds: &bounds{8, 800}}
	if err := c.Folder(from, "a", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Folder(from, "a", nil); !errors.Is(err, fn.TooLarge) {
		t.Errorf("the same again counts as nothing: %v", err)
	}
}

func TestNothingIsWrittenOutsideTheDestination(t *testing.T) {
	from, to := folders(t, 1, 10)
	outside := t.TempDir()
	if err := to.Symlink(outside, "link"); err != nil {
		t.Fatal(err)
	}
	if err := to.Symlink(filepath.Join(outside, "f0"), "f0"); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"link/deep", "link", "."} {
		if err := (&Copier{To: to}).Folder(from, at, nil); err != nil {
			t.Errorf("into %s: %v", at, err)
		}
	}
	if err := (&Copier{To: to}).Folder(from, "../up", nil); err == nil {
		t.Error("a folder above the destination")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}
