package pebble_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pebbledb/pebbledbtest"
	"rouse.dev/rouse/internal/queue"
	"rouse.dev/rouse/internal/queue/pebble"
)

// bulky is a message with 4 KiB that do not compress.
func bulky(n int) queue.Message {
	body := make([]byte, 4096)
	if _, err := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(body); err != nil {
		panic(err) // it never fails
	}
	return queue.Message{Stream: fmt.Sprint("s", n%3), ID: fmt.Sprint(n), Body: body}
}

// fillUp publishes from several goroutines until the queue refuses, and returns
// how many it took.
func fillUp(t *testing.T, q *pebble.Queue, first int) int {
	t.Helper()
	const crew, most = 4, 100_000
	var mu sync.Mutex
	taken := 0
	var all sync.WaitGroup
	for p := range crew {
		all.Go(func() {
			for n := first + p; n < first+most; n += crew {
				if err := q.Publish(t.Context(), bulky(n)); err != nil {
					if !errors.Is(err, fn.Exhausted) || fn.Hint(err) == "" {
						t.Errorf("publishing on a full disk: %v; want exhausted with a hint", err)
					}
					return
				}
				mu.Lock()
				taken++
				mu.Unlock()
			}
			t.Errorf("%d messages of 4 KiB fit", most)
		})
	}
	all.Wait()
	return taken
}

// holds checks how many messages are there.
func holds(t *testing.T, q *pebble.Queue, want int) {
	t.Helper()
	infos, err := q.Streams(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for _, i := range infos {
		got += i.Waiting
	}
	if got != want {
		t.Errorf("%d messages are there, want %d", got, want)
	}
}

// ackSome leases messages and acknowledges them.
func ackSome(t *testing.T, q *pebble.Queue, n int) {
	t.Helper()
	got, err := q.Lease(t.Context(), "s0", n, time.Hour)
	if err != nil || len(got) != n {
		t.Fatalf("leased %d, error %v; want %d", len(got), err, n)
	}
	for _, d := range got {
		if err := q.Settle(t.Context(), queue.Outcome{Stream: d.Stream, Seq: d.Seq, Lease: d.Lease}); err != nil {
			t.Fatalf("an outcome on a full disk: %v", err)
		}
	}
}

func quotaConfig(fs vfs.FS) pebble.Config {
	return pebble.Config{FS: fs, MemTable: 64 << 10, Reserve: 4 << 20, Ballast: 1 << 20}
}

func TestAFullDiskRefusesMessagesAndTakesOutcomes(t *testing.T) {
	fs := pebbledbtest.NewQuotaFS(vfs.NewMem(), 16<<20)
	c := quotaConfig(fs)
	c.Ballast = -1       // nothing else saves the queue here
	c.Reserve = 12 << 20 // what is stored, some 4 MiB, can be rewritten within it at any moment
	q := open(t, "data", c)
	taken := fillUp(t, q, 0)
	if taken < 100 {
		t.Errorf("only %d messages fit on 16 MiB", taken)
	}
	holds(t, q, taken)
	fs.Leave(7 << 20) // too little for a message and enough for an outcome, whatever is being rewritten
	ackSome(t, q, 10)
	if err := q.Publish(t.Context(), bulky(1_000_000)); !errors.Is(err, fn.Exhausted) {
		t.Errorf("publishing: %v, want exhausted", err)
	}
	fs.SetLimit(64 << 20)
	if err := q.Publish(t.Context(), bulky(1_000_000)); err != nil {
		t.Errorf("with space on the disk again: %v", err)
	}
	holds(t, q, taken-10+1)
}

func TestADiskFilledByOthersGivesUpTheBallast(t *testing.T) {
	fs := pebbledbtest.NewQuotaFS(vfs.NewMem(), 64<<20)
	q := open(t, "data", quotaConfig(fs))
	if err := q.Publish(t.Context(), bulky(0)); err != nil {
		t.Fatal(err)
	}
	fs.Fill() // from here on nothing fits, and nobody says so
	taken := 1 + fillUp(t, q, 3)
	holds(t, q, taken)
	if _, err := fs.Stat("data/ballast"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is still there: %v", err)
	}
	fs.See()
	fs.SetLimit(128 << 20)
	if err := q.Publish(t.Context(), bulky(1_000_000)); err != nil {
		t.Errorf("with space on the disk again: %v", err)
	}
	holds(t, q, taken+1)
	if info, err := fs.Stat("data/ballast"); err != nil || info.Size() != 1<<20 {
		t.Errorf("the ballast is not back: %v, %v", info, err)
	}
}

// TestARealFullDisk fills a small file system of the kernel's.
func TestARealFullDisk(t *testing.T) {
	dir := pebbledbtest.SmallDisk(t, "32m")
	path := filepath.Join(dir, "queue")
	c := pebble.Config{MemTable: 256 << 10, Reserve: 8 << 20, Ballast: 2 << 20}
	q, err := pebble.Open(path, c)
	if err != nil {
		t.Fatal(err)
	}
	hog := filepath.Join(dir, "hog")
	if err := os.WriteFile(hog, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := fillUp(t, q, 0)
	holds(t, q, taken)
	ackSome(t, q, 5)
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	if err := q.Publish(t.Context(), bulky(1_000_000)); err != nil {
		t.Fatalf("with space on the disk again: %v", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	holds(t, open(t, path, c), taken-5+1)
}

func TestAFullQueueRefusesBeforeItAccepts(t *testing.T) {
	q := open(t, "data", pebble.Config{FS: vfs.NewMem(), Ballast: -1, MaxBytes: 40_000, MaxBody: 4096})
	if taken := fillUp(t, q, 0); taken != 9 {
		t.Errorf("%d messages of 4096 bytes fit into 40000", taken)
	}
	ackSome(t, q, 1)
	if err := q.Publish(t.Context(), bulky(100)); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
	if err := q.Publish(t.Context(), bulky(100)); err != nil { // a duplicate needs no space
		t.Errorf("publishing it again: %v", err)
	}
	if err := q.Publish(t.Context(), queue.Message{Stream: "s", Body: make([]byte, 4097)}); !errors.Is(err, fn.TooLarge) {
		t.Errorf("a large body: %v, want too large", err)
	}
}

func TestAFailedSyncAcknowledgesNothing(t *testing.T) {
	disk := vfs.NewCrashableMem()
	fault := pebbledbtest.BrokenSync()
	q, err := pebble.Open("data", pebble.Config{FS: errorfs.Wrap(disk, fault), Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Publish(t.Context(), bulky(0), bulky(3)); err != nil {
		t.Fatal(err)
	}
	got, err := q.Lease(t.Context(), "s0", 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	fault.On()
	for n := range 3 {
		if err := q.Publish(t.Context(), bulky(6+n)); !errors.Is(err, fn.Unavailable) || fn.Hint(err) == "" {
			t.Errorf("publishing: %v; want unavailable with a hint", err)
		}
	}
	if err := q.Settle(t.Context(), queue.Outcome{Stream: "s0", Seq: got[0].Seq, Lease: got[0].Lease}); !errors.Is(err, fn.Unavailable) {
		t.Errorf("settling: %v", err)
	}
	if _, err := q.Lease(t.Context(), "s0", 1, time.Hour); !errors.Is(err, fn.Unavailable) {
		t.Errorf("leasing what may never reach the disk: %v", err)
	}
	if _, err := q.Due(t.Context()); !errors.Is(err, fn.Unavailable) {
		t.Errorf("Due: %v", err)
	}
	if err := q.Close(); err == nil {
		t.Error("closing says that all is well")
	}
	holds(t, open(t, "data", pebble.Config{FS: disk.CrashClone(vfs.CrashCloneCfg{}), Ballast: -1}), 2)
}

func TestADamagedQueueSaysWhatToDo(t *testing.T) {
	disk := vfs.NewMem()
	q, err := pebble.Open("data", pebble.Config{FS: disk, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(q.Publish(t.Context(), bulky(0)), q.Close()); err != nil {
		t.Fatal(err)
	}
	pebbledbtest.Damage(t, disk, "data")
	if _, err = pebble.Open("data", pebble.Config{FS: disk}); !errors.Is(err, fn.Internal) || fn.Hint(err) == "" {
		t.Errorf("got %v, hint %q", err, fn.Hint(err))
	}
}
