package logs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"rouse.dev/rouse/internal/fn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	fib  = fn.Ref{Namespace: "default", Name: "fib"}
	fib3 = fn.RevisionRef{Ref: fib, Number: 3}
)

// patient is a config under which a slow disk is no reason to drop anything:
// tests run on machines that have other things to do.
func patient() Config { return Config{Patience: time.Hour} }

// unlimited is a config under which nothing is dropped at all.
func unlimited() Config {
	return Config{Bytes: 64 << 20, Rate: 1 << 40, Burst: 1 << 40, Patience: time.Hour}
}

func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "logs"), cfg)
}

func openAt(t *testing.T, dir string, cfg Config) *Store {
	t.Helper()
	s, err := Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func read(t testing.TB, s *Store, ref fn.Ref, q Query) []Line {
	t.Helper()
	var lines []Line
	for l, err := range s.Read(t.Context(), ref, q) {
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

func texts(lines []Line) []string {
	out := []string{}
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return out
}

func print(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(w, s); n != len(s) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(s), err)
	}
}

func shut(t *testing.T, ws ...io.Closer) {
	t.Helper()
	for _, w := range ws {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// onDisk is what a function's folder holds.
func onDisk(t *testing.T, s *Store, ref fn.Ref) (size int64, files int) {
	t.Helper()
	all, err := segments(s.root, dirOf(ref))
	if err != nil {
		t.Fatal(err)
	}
	for _, seg := range all {
		size += seg.size
	}
	return size, len(all)
}

func TestLinesComeBackAsTheyWerePrinted(t *testing.T) {
	s := open(t, unlimited())
	id := fn.MakeCallID(1, 2, 3)
	busy := false
	out := s.Writer(fib3, "fib-3-a", Stdout, func() (fn.CallID, bool) { return id, busy })
	errw := s.Writer(fib3, "fib-3-a", Stderr, nil)
	before := time.Now()
	print(t, out, "started\n")
	busy = true
	print(t, out, "one\ntwo")
	print(t, errw, "oops: 5 % of \x1b[31mred\x1b[0m\n")
	print(t, out, " and a half\n\n")
	print(t, out, "not ended")
	busy = false
	shut(t, out, errw)

	line := func(stream, call, text string) Line {
		return Line{Stream: stream, Revision: 3, Instance: "fib-3-a", Call: call, Text: text}
	}
	want := []Line{
		line(Stdout, "", "started"),
		line(Stdout, id.String(), "one"),
		line(Stderr, "", "oops: 5 % of \x1b[31mred\x1b[0m"),
		line(Stdout, id.String(), "two and a half"),
		line(Stdout, id.String(), ""),
		line(Stdout, "", "not ended"),
	}
	got := read(t, s, fib, Query{})
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Line{}, "Time")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, l := range got {
		if l.Time.Before(before.Add(-time.Microsecond)) || l.Time.After(time.Now()) {
			t.Errorf("line %q has the time %v", l.Text, l.Time)
		}
	}
}

func TestQueriesSelect(t *testing.T) {
	s := open(t, unlimited())
	ids := []fn.CallID{fn.MakeCallID(1, 0, 1), fn.MakeCallID(1, 0, 2)}
	var third time.Time
	for i := range 6 {
		if i == 3 {
			third = time.Now()
		}
		w := s.Writer(fn.RevisionRef{Ref: fib, Number: 1 + i/3}, fmt.Sprintf("i%d", i%2), Stdout,
			func() (fn.CallID, bool) { return ids[i%2], true })
		print(t, w, fmt.Sprintln("line", i))
		shut(t, w)
	}
	for name, tc := range map[string]struct {
		q    Query
		want []string
	}{
		"all":                 {Query{}, []string{"line 0", "line 1", "line 2", "line 3", "line 4", "line 5"}},
		"newest three":        {Query{Tail: 3}, []string{"line 3", "line 4", "line 5"}},
		"newest two":          {Query{Tail: 2}, []string{"line 4", "line 5"}},
		"none":                {Query{Tail: -1}, nil},
		"a call":              {Query{Call: ids[1].String()}, []string{"line 1", "line 3", "line 5"}},
		"newest of an origin": {Query{Instance: "i0", Tail: 2}, []string{"line 2", "line 4"}},
		"a revision":          {Query{Revision: 2}, []string{"line 3", "line 4", "line 5"}},
		"since":               {Query{Since: third}, []string{"line 3", "line 4", "line 5"}},
		"newest since":        {Query{Since: third, Tail: 1}, []string{"line 5"}},
		"nothing that young":  {Query{Since: time.Now().Add(time.Hour), Tail: 1}, nil},
	} {
		t.Run(name, func(t *testing.T) { same(t, texts(read(t, s, fib, tc.q)), tc.want) })
	}
}

func TestSilentFunctionHasNoLinesAndNoFolder(t *testing.T) {
	s := open(t, Config{})
	if got := read(t, s, fib, Query{}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	shut(t, s.Writer(fib3, "a", Stdout, nil))
	if _, err := s.root.Stat(dirOf(fib)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder was made for nothing: %v", err)
	}
}

func TestLongLinesAreCutAndMarked(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	for name, chunk := range map[string]int{"in one piece": 1 << 20, "in small pieces": 1000, "in pieces of just that size": MaxLine} {
		t.Run(name, func(t *testing.T) {
			s := open(t, unlimited())
			w := s.Writer(fib3, "a", Stdout, nil)
			for text := long + "\n" + long + "y\n" + long + long + long + "\nnext\n" + long + "z"; text != ""; {
				n := min(chunk, len(text))
				print(t, w, text[:n])
				text = text[n:]
			}
			shut(t, w)
			got := read(t, s, fib, Query{})
			same(t, texts(got), []string{long, long, long, "next", long})
			for i, cut := range []bool{false, true, true, false, true} {
				if i < len(got) && got[i].Cut != cut {
					t.Errorf("line %d: cut is %v", i, got[i].Cut)
				}
			}
		})
	}
}

func TestRotationKeepsTheNewestWithinTheBudget(t *testing.T) {
	cfg := unlimited()
	cfg.Bytes = 256 << 10
	s := open(t, cfg)
	w := s.Writer(fib3, "a", Stdout, nil)
	const n = 20_000
	for i := range n {
		print(t, w, fmt.Sprintf("line %d\n", i))
	}
	shut(t, w)
	size, files := onDisk(t, s, fib)
	if size > cfg.Bytes || size < cfg.Bytes/2 || files > 4 {
		t.Errorf("%d bytes in %d files; %d and 4 are allowed", size, files, cfg.Bytes)
	}
	got := read(t, s, fib, Query{})
	for i, l := range got {
		if want := fmt.Sprintf("line %d", n-len(got)+i); l.Text != want {
			t.Fatalf("line %d of %d is %q, want %q", i, len(got), l.Text, want)
		}
	}
	if st := s.Stats(); st.Lines != n || st.Dropped != 0 || st.OnDisk != size {
		t.Errorf("stats %+v, %d bytes on disk", st, size)
	}
}

func TestNewStoreContinuesTheRing(t *testing.T) {
	dir := t.TempDir()
	cfg := unlimited()
	cfg.Bytes = 256 << 10
	for run := range 5 {
		s := openAt(t, dir, cfg)
		w := s.Writer(fib3, fmt.Sprint("run-", run), Stdout, nil)
		for i := range 500 {
			print(t, w, fmt.Sprintf("%d.%d\n", run, i))
		}
		shut(t, w, s)
	}
	s := openAt(t, dir, cfg)
	got := texts(read(t, s, fib, Query{}))
	if len(got) == 0 || got[len(got)-1] != "4.499" {
		t.Fatalf("%d lines, the last is not the newest", len(got))
	}
	if size, _ := onDisk(t, s, fib); size > cfg.Bytes {
		t.Errorf("%d bytes", size)
	}
}

func TestNamesCannotLeadOutOfTheFolder(t *testing.T) {
	s := open(t, Config{})
	for _, ref := range []fn.Ref{{Namespace: "..", Name: "x"}, {Namespace: "a", Name: "../b"}, {Namespace: trash, Name: "1"}, {}} {
		w := s.Writer(fn.RevisionRef{Ref: ref}, "a", Stdout, nil)
		print(t, w, "hello\n")
		shut(t, w)
		for _, err := range s.Read(t.Context(), ref, Query{}) {
			if !errors.Is(err, fn.Invalid) {
				t.Errorf("reading %v: %v", ref, err)
			}
		}
		if err := s.Remove(ref); !errors.Is(err, fn.Invalid) {
			t.Errorf("removing %v: %v", ref, err)
		}
	}
	same(t, s.Last("a"), []string{"hello", "hello", "hello", "hello"})
	if got := s.Stats(); got.Bytes != 0 {
		t.Errorf("something was written: %+v", got)
	}
}

func TestInstanceNamesCannotForgeRecords(t *testing.T) {
	s := open(t, unlimited())
	w := s.Writer(fib3, "a b\nc\x00é"+strings.Repeat("d", 100), Stdout, nil)
	print(t, w, "text\n")
	shut(t, w)
	got := read(t, s, fib, Query{})
	if len(got) != 1 || got[0].Text != "text" || len(got[0].Instance) > maxWord {
		t.Errorf("got %+v", got)
	}
}

func TestWriteAfterCloseFails(t *testing.T) {
	s := open(t, Config{})
	w := s.Writer(fib3, "a", Stdout, nil)
	shut(t, w, w)
	if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestClosedStoreTakesAndGivesNothing(t *testing.T) {
	s := open(t, unlimited())
	w := s.Writer(fib3, "a", Stdout, nil)
	print(t, w, "before\n")
	shut(t, s)
	print(t, w, "after\n")
	shut(t, w)
	shut(t, s.Writer(fib3, "b", Stdout, nil))
	for _, err := range s.Read(t.Context(), fib, Query{}) {
		if !errors.Is(err, fn.Unavailable) {
			t.Errorf("reading: %v", err)
		}
	}
	if err := s.Remove(fib); !errors.Is(err, fn.Unavailable) {
		t.Errorf("removing: %v", err)
	}
	if err := s.Sweep(time.Now()); err != nil {
		t.Errorf("sweeping: %v", err)
	}
}

// pass lets the clock of a synctest bubble move on.
func pass(d time.Duration) { <-time.After(d) }
