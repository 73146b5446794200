package pebbledb_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pebbledb"
	"rouse.dev/rouse/internal/pebbledb/pebbledbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	reserve = 4 << 20
	ballast = 1 << 20
)

func config(fs vfs.FS) pebbledb.Config {
	return pebbledb.Config{
		Name: "shelf", Safe: "the books are dry", Damaged: "call the librarian",
		Cache: 1 << 20, MemTable: 64 << 10, Files: 64, Reserve: reserve, Ballast: ballast, FS: fs,
	}
}

func open(t *testing.T, fs vfs.FS) *pebbledb.DB {
	t.Helper()
	db, err := pebbledb.Open("data", config(fs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(func() {}); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return db
}

func TestASmallWriteIsTakenWhereALargeOneIsRefused(t *testing.T) {
	fs := pebbledbtest.NewQuotaFS(vfs.NewMem(), 64<<20)
	db := open(t, fs)
	fs.Leave(reserve / 2)
	for range 2 { // what the first answer left behind changes nothing
		if err := db.Room(reserve / 4); err != nil {
			t.Errorf("a small write: %v", err)
		}
		err := db.Room(reserve)
		if !errors.Is(err, fn.Exhausted) || !strings.Contains(fn.Hint(err), "the books are dry") {
			t.Errorf("a large write: %v, hint %q", err, fn.Hint(err))
		}
	}
	fs.Leave(reserve)
	if err := db.Room(reserve); err != nil {
		t.Errorf("with space on the disk again: %v", err)
	}
}

func TestTheBallastSavesTheWriteInHandAndComesBack(t *testing.T) {
	fs := pebbledbtest.NewQuotaFS(vfs.NewMem(), 64<<20)
	db := open(t, fs)
	fs.Fill() // from here on nothing fits, and nobody says so
	if err := db.Set([]byte("key"), make([]byte, 4096), pebble.Sync); err != nil {
		t.Fatalf("the write in hand: %v", err)
	}
	if _, err := fs.Stat("data/ballast"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is still there: %v", err)
	}
	fs.See()
	fs.Leave(reserve + ballast/2) // enough to write, too little for the ballast beside it
	if err := db.Room(reserve); !errors.Is(err, fn.Exhausted) {
		t.Errorf("a write before the ballast is back: %v, want exhausted", err)
	}
	fs.Leave(reserve + 2*ballast)
	if err := db.Room(reserve); err != nil {
		t.Errorf("with space on the disk again: %v", err)
	}
	if info, err := fs.Stat("data/ballast"); err != nil || info.Size() != ballast {
		t.Errorf("the ballast is not back: %v, %v", info, err)
	}
}

func TestADamagedDatabaseSaysWhatToDo(t *testing.T) {
	fs := vfs.NewMem()
	db, err := pebbledb.Open("data", config(fs))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(func() {}); err != nil {
		t.Fatal(err)
	}
	pebbledbtest.Damage(t, fs, "data")
	_, err = pebbledb.Open("data", config(fs))
	if !errors.Is(err, fn.Internal) || fn.Hint(err) != "call the librarian" || !strings.Contains(err.Error(), "the shelf in data") {
		t.Errorf("got %v, hint %q", err, fn.Hint(err))
	}
}

func TestClosingReleasesCallsAndWaitsForThem(t *testing.T) {
	db := open(t, vfs.NewMem())
	leave, err := db.Enter(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	released, closed := make(chan struct{}), make(chan error)
	go func() { closed <- db.Close(func() { close(released) }) }()
	<-released
	if _, err := db.Enter(t.Context()); !errors.Is(err, fn.Unavailable) {
		t.Errorf("a call after Close has begun: %v, want unavailable", err)
	}
	if err := db.Set([]byte("key"), nil, pebble.Sync); err != nil { // it would panic on a closed one
		t.Errorf("the call that is running: %v", err)
	}
	leave()
	if err := <-closed; err != nil {
		t.Errorf("closing: %v", err)
	}
}

func TestACallThatHasEndedDoesNotEnter(t *testing.T) {
	db := open(t, vfs.NewMem())
	gone := errors.New("the client left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := db.Enter(ctx); !errors.Is(err, gone) {
		t.Errorf("got %v, want the cause", err)
	}
}
