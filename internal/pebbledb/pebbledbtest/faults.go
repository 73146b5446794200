package pebbledbtest

import (
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sys/unix"
)

// BrokenSync fails every sync of a write-ahead log once it is switched on.
func BrokenSync() *errorfs.Toggle {
	return &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if sync && strings.HasSuffix(op.Path, ".log") {
			return errorfs.ErrInjected
		}
		return nil
	})}
}

// Damage overwrites the manifests of the closed database in folder path.
func Damage(t *testing.T, disk vfs.FS, path string) {
	t.Helper()
	names, err := disk.List(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST") {
			overwrite(t, disk, disk.PathJoin(path, name))
			damaged++
		}
	}
	if damaged == 0 {
		t.Fatalf("%s holds no manifest: %q", path, names)
	}
}

func overwrite(t *testing.T, disk vfs.FS, path string) {
	t.Helper()
	f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("this is not a manifest, it is something else")); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// SmallDisk mounts a file system of the kernel's for the test, of a size like
// "24m", and returns its folder. Where that cannot be, the test is skipped.
func SmallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("this host lets root mount nothing: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return dir
}
