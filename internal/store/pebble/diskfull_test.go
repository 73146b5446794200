package pebble_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pebbledb/pebbledbtest"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
)

var pairs = store.Query{Kind: "pairs"}

// pair is a batch of two objects with 2 × 2 KiB that do not compress.
func pair(n int) []store.Change {
	value := make([]byte, 2048)
	if _, err := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)}).Read(value); err != nil {
		panic(err) // it never fails
	}
	return []store.Change{
		{Key: store.Key{Kind: "pairs", Namespace: "a", Name: fmt.Sprint(n)}, Value: value},
		{Key: store.Key{Kind: "pairs", Namespace: "b", Name: fmt.Sprint(n)}, Value: value},
	}
}

// fillUp writes pairs from several writers until the store refuses, and returns
// the names of those it took.
func fillUp(t *testing.T, s *pebble.Store, first, atMost int) map[string]bool {
	t.Helper()
	var mu sync.Mutex
	taken := make(map[string]bool)
	var writers sync.WaitGroup
	const crew = 4
	for w := range crew {
		writers.Go(func() {
			for n := first + w; n < first+atMost; n += crew {
				_, err := s.Apply(t.Context(), pair(n)...)
				if err != nil {
					if !errors.Is(err, fn.Exhausted) || fn.Hint(err) == "" {
						t.Errorf("a write on a full disk: %v; want exhausted with a hint", err)
					}
					return
				}
				mu.Lock()
				taken[fmt.Sprint(n)] = true
				mu.Unlock()
			}
			t.Errorf("%d writes of 4 KiB fit on the disk", atMost)
		})
	}
	writers.Wait()
	return taken
}

// checkPairs checks that exactly the taken pairs are there, and both of each.
func checkPairs(t *testing.T, s *pebble.Store, taken map[string]bool) {
	t.Helper()
	for _, ns := range []string{"a", "b"} {
		objects, _, err := s.List(t.Context(), store.Query{Kind: "pairs", Namespace: ns})
		if err != nil {
			t.Fatalf("a list on a full disk: %v", err)
		}
		got := make(map[string]bool)
		for _, o := range objects {
			got[o.Name] = true
		}
		if d := cmp.Diff(taken, got); d != "" {
			t.Errorf("pairs in %s (-acknowledged +there):\n%s", ns, d)
		}
	}
}

// recovered checks that the store takes writes again, at once.
func recovered(t *testing.T, s *pebble.Store, n int, taken map[string]bool) {
	t.Helper()
	if _, err := s.Apply(t.Context(), pair(n)...); err != nil {
		t.Fatalf("with space on the disk again: %v", err)
	}
	taken[fmt.Sprint(n)] = true
}

func quotaConfig(q *pebbledbtest.QuotaFS) pebble.Config {
	return pebble.Config{FS: q, MemTable: 64 << 10, Reserve: 2 << 20, Ballast: 1 << 20}
}

func TestAFullDiskRefusesWritesBeforeTheyBegin(t *testing.T) {
	q := pebbledbtest.NewQuotaFS(vfs.NewMem(), 8<<20)
	c := quotaConfig(q)
	c.Ballast = -1 // nothing else saves the store here
	s := open(t, "data", c)
	taken := fillUp(t, s, 0, 10_000)
	if len(taken) < 100 {
		t.Errorf("only %d pairs fit on 8 MiB", len(taken))
	}
	checkPairs(t, s, taken)
	q.SetLimit(64 << 20)
	recovered(t, s, 1_000_000, taken)
	checkPairs(t, s, taken)
}

func TestADiskFilledByOthersGivesUpTheBallast(t *testing.T) {
	q := pebbledbtest.NewQuotaFS(vfs.NewMem(), 64<<20)
	s := open(t, "data", quotaConfig(q))
	if _, err := s.Apply(t.Context(), pair(0)...); err != nil {
		t.Fatal(err)
	}
	q.Fill() // from here on nothing fits, and nobody says so
	taken := fillUp(t, s, 1, 100_000)
	taken["0"] = true
	checkPairs(t, s, taken)
	if _, err := q.Stat("data/ballast"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the ballast is still there: %v", err)
	}
	q.See()
	if _, err := s.Apply(t.Context(), pair(2_000_000)...); !errors.Is(err, fn.Exhausted) {
		t.Errorf("a write after the ballast is gone: %v, want exhausted", err)
	}
	q.SetLimit(128 << 20)
	recovered(t, s, 1_000_000, taken)
	checkPairs(t, s, taken)
	if info, err := q.Stat("data/ballast"); err != nil || info.Size() != 1<<20 {
		t.Errorf("the ballast is not back: %v, %v", info, err)
	}
}

func TestAStoreOnAFullDiskOpensForReading(t *testing.T) {
	inner := vfs.NewMem()
	q := pebbledbtest.NewQuotaFS(inner, 64<<20)
	s, err := pebble.Open("data", quotaConfig(q))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), pair(0)...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := q.Remove("data/ballast"); err != nil {
		t.Fatal(err)
	}
	q.SetLimit(256 << 10) // room for the database's own files, none for a ballast
	s = open(t, "data", quotaConfig(q))
	checkPairs(t, s, map[string]bool{"0": true})
	if _, err := s.Apply(t.Context(), pair(1)...); !errors.Is(err, fn.Exhausted) {
		t.Errorf("a write: %v, want exhausted", err)
	}
}

// TestARealFullDisk fills a small file system of the kernel's.
func TestARealFullDisk(t *testing.T) {
	dir := pebbledbtest.SmallDisk(t, "24m")
	path := filepath.Join(dir, "store")
	c := pebble.Config{MemTable: 256 << 10, Reserve: 4 << 20, Ballast: 2 << 20}
	s, err := pebble.Open(path, c)
	if err != nil {
		t.Fatal(err)
	}
	hog := filepath.Join(dir, "hog")
	if err := os.WriteFile(hog, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := fillUp(t, s, 0, 100_000)
	checkPairs(t, s, taken)
	if err := os.Remove(hog); err != nil {
		t.Fatal(err)
	}
	recovered(t, s, 1_000_000, taken)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, c)
	checkPairs(t, s, taken)
}
