package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func refN(n int) fn.Ref { return fn.Ref{Namespace: "default", Name: fmt.Sprint("f", n)} }

func TestSilentFunctionsHoldNoFileAndNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, unlimited())
		w := s.Writer(fib3, "a", Stdout, nil)
		print(t, w, "one\n")
		for n := range 10 {
			o := s.Writer(fn.RevisionRef{Ref: refN(n), Number: 1}, fmt.Sprint("i", n), Stdout, nil)
			print(t, o, "bye\n")
			shut(t, o)
		}
		if st := s.Stats(); st.Open != 11 {
			t.Fatalf("%d files open", st.Open)
		}
		pass(29 * time.Second)
		print(t, w, "two\n")
		pass(2 * time.Second)
		sweep(t, s)
		if st := s.Stats(); st.Open != 1 || len(s.rings) != 1 {
			t.Errorf("%d files open, %d rings; only one function is not silent", st.Open, len(s.rings))
		}
		pass(time.Minute)
		sweep(t, s)
		if st := s.Stats(); st.Open != 0 || len(s.rings) != 1 {
			t.Errorf("%d files open, %d rings; one has a writer", st.Open, len(s.rings))
		}
		print(t, w, "three\n")
		shut(t, w)
		same(t, texts(read(t, s, fib, Query{})), []string{"one", "two", "three"})
		pass(2 * time.Minute)
		sweep(t, s)
		if len(s.rings) != 0 || len(s.instances) != 0 || len(s.open) != 0 {
			t.Errorf("%d rings, %d instances, %d files", len(s.rings), len(s.instances), len(s.open))
		}
	})
}

func sweep(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Sweep(time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestOpenFilesAreBounded(t *testing.T) {
	cfg := unlimited()
	cfg.MaxOpen = 5
	s := open(t, cfg)
	for round := range 3 {
		for n := range 20 {
			w := s.Writer(fn.RevisionRef{Ref: refN(n), Number: 1}, "a", Stdout, nil)
			print(t, w, fmt.Sprintln("round", round))
			shut(t, w)
			if st := s.Stats(); st.Open > cfg.MaxOpen {
				t.Fatalf("%d files open", st.Open)
			}
		}
	}
	for n := range 20 {
		same(t, texts(read(t, s, refN(n), Query{})), []string{"round 0", "round 1", "round 2"})
	}
}

func TestBudgetRemovesTheOldestSegments(t *testing.T) {
	dir := t.TempDir()
	cfg := unlimited()
	cfg.Bytes = 256 << 10
	first := openAt(t, dir, cfg)
	cfg.Total = 1 << 20
	for n := range 8 { // 2 MiB in all
		w := first.Writer(fn.RevisionRef{Ref: refN(n), Number: 1}, "a", Stdout, nil)
		for i := range 4000 {
			print(t, w, fmt.Sprintf("line %d\n", i))
		}
		shut(t, w)
		// Age does not depend on the file system's clock here.
		files, err := filepath.Glob(filepath.Join(dir, "default", refN(n).Name, "*.log"))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range files {
			if err := os.Chtimes(f, time.Time{}, time.Unix(int64(1_000_000*(n+1)+i), 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	shut(t, first)

	s := openAt(t, dir, cfg) // knows nothing of what is there
	busy := s.Writer(fn.RevisionRef{Ref: refN(0), Number: 1}, "b", Stdout, nil)
	print(t, busy, "still here\n")
	sweep(t, s)
	st := s.Stats()
	var size int64
	var files []int
	for n := range 8 {
		b, f := onDisk(t, s, refN(n))
		size += b
		files = append(files, f)
	}
	if size > cfg.Total || size < cfg.Total/2 || st.OnDisk != size {
		t.Errorf("%d bytes left, %d counted, the budget is %d", size, st.OnDisk, cfg.Total)
	}
	if files[0] != 1 || files[1] != 0 || files[7] < 3 {
		t.Errorf("files left: %v; the oldest should be gone, the one being written to not", files)
	}
	print(t, busy, "and here\n")
	shut(t, busy)
	if got := read(t, s, refN(0), Query{Tail: 2}); len(got) != 2 || got[1].Text != "and here" {
		t.Errorf("got %v", texts(got))
	}
	sweep(t, s) // nothing is due
}

func TestWritersKeepToOneSegmentWhileTheBudgetIsSpent(t *testing.T) {
	cfg := unlimited()
	cfg.Bytes, cfg.Total = 256<<10, 100<<10
	s := open(t, cfg)
	w := s.Writer(fib3, "a", Stdout, nil)
	for i := range 20_000 {
		print(t, w, fmt.Sprintf("line %d\n", i))
	}
	shut(t, w)
	if size, files := onDisk(t, s, fib); files > 2 || size > cfg.Total+cfg.Bytes/4 {
		t.Errorf("%d bytes in %d files", size, files)
	}
}

func TestTrashOfAKilledServerIsCleared(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, trash, "1")
	if err := os.MkdirAll(old, 0o700); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir, Config{})
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
