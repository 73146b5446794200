package pebble_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/queue/pebble"
	"rouse.dev/rouse/internal/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// small is a queue with buffers so small that tests reach flushes, compactions
// and new log files.
func small(fs vfs.FS) pebble.Config {
	return pebble.Config{FS: fs, MemTable: 64 << 10, Ballast: -1}
}

func open(t testing.TB, path string, c pebble.Config) *pebble.Queue {
	t.Helper()
	q, err := pebble.Open(path, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return q
}

func TestConformanceOnDisk(t *testing.T) {
	queuetest.Run(t, queuetest.Adapter{New: func(t *testing.T) queuetest.Open {
		dir := t.TempDir()
		return func(t *testing.T) queuetest.Queue { return open(t, dir, pebble.Config{Ballast: -1}) }
	}})
}

func TestConformanceWithSmallBuffers(t *testing.T) {
	queuetest.Run(t, queuetest.Adapter{New: func(*testing.T) queuetest.Open {
		fs := vfs.NewMem()
		return func(t *testing.T) queuetest.Queue { return open(t, "data", small(fs)) }
	}})
}
