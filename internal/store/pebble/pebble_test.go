package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
	"rouse.dev/rouse/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a store with buffers so small that tests reach flushes, compactions
// and new log files.
func small(fs vfs.FS) pebble.Config {
	return pebble.Config{FS: fs, MemTable: 64 << 10, Ballast: -1}
}

func open(t testing.TB, path string, c pebble.Config) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(path, c)
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

func TestConformanceOnDisk(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir(), pebble.Config{}) })
}

func TestConformanceWithSmallBuffers(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, "data", small(vfs.NewMem())) })
}
