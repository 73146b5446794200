package logs

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// TestAGigabyteLeavesABoundedRing prints 1 GB as a function in an endless loop
// would, beside a neighbour that prints a little.
func TestAGigabyteLeavesABoundedRing(t *testing.T) {
	s := open(t, patient())
	w := s.Writer(fib3, "flood", Stdout, nil)
	calm := s.Writer(fn.RevisionRef{Ref: fn.Ref{Namespace: "default", Name: "calm"}, Number: 1}, "calm", Stdout, nil)
	const line = "the quick brown fox jumps over the lazy dog again\n"
	chunk := []byte(strings.Repeat(line, 1000))
	const chunks = 1 << 30 / (1000 * len(line))
	for i := range chunks {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
		if i%(chunks/100) == 0 {
			print(t, calm, fmt.Sprintln("calm", i))
		}
	}
	print(t, w, "panic: the last words\n")
	same(t, s.Last("flood")[tailLines-2:], []string{strings.TrimSpace(line), "panic: the last words"})
	shut(t, w, calm)

	size, _ := onDisk(t, s, fib)
	if size > 4<<20 {
		t.Errorf("%d bytes on disk", size)
	}
	st := s.Stats()
	if total := uint64(chunks*1000 + 1 + 101); st.Lines+st.Dropped != total && st.Lines+st.Dropped != total-1 {
		t.Errorf("%d lines written and %d dropped, %d printed", st.Lines, st.Dropped, total)
	}
	if st.Bytes > 1<<30/4 {
		t.Errorf("%d bytes were written to keep %d", st.Bytes, size)
	}
	if st.Dropped == 0 {
		t.Error("nothing was dropped: the rate is no limit")
	}
	var said bool
	for _, l := range read(t, s, fib, Query{Tail: 1000}) {
		said = said || l.Stream == Remark && strings.Contains(l.Text, "lines dropped: printed faster than 512Ki")
	}
	if !said {
		t.Error("the ring does not say that lines are missing")
	}
	got := read(t, s, fn.Ref{Namespace: "default", Name: "calm"}, Query{})
	if len(got) < 100 {
		t.Errorf("the neighbour lost lines: %d are there", len(got))
	}
}

// printed and kept add up: every line is in the ring or in a remark.
func TestDroppedLinesAreAllAccountedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Bytes: 64 << 20, Rate: 100 << 10, Burst: 200 << 10}
		s := open(t, cfg)
		w := s.Writer(fib3, "a", Stdout, nil)
		const n = 20_000
		for i := range n {
			print(t, w, fmt.Sprintf("line number %d\n", i))
			if i%10 == 0 {
				pass(time.Millisecond)
			}
		}
		pass(10 * time.Second)
		if err := s.Sweep(time.Now()); err != nil {
			t.Fatal(err)
		}
		kept, dropped, remarks := 0, 0, 0
		for _, l := range read(t, s, fib, Query{}) {
			if l.Stream == Remark {
				var k int
				if _, err := fmt.Sscanf(l.Text, "%d lines dropped", &k); err != nil {
					t.Fatalf("remark %q: %v", l.Text, err)
				}
				dropped += k
				remarks++
			} else {
				kept++
			}
		}
		if kept+dropped != n || kept == 0 || dropped == 0 {
			t.Errorf("%d kept and %d dropped of %d", kept, dropped, n)
		}
		if remarks > n/100 {
			t.Errorf("%d remarks for %d stretches: the flood is cut into crumbs", remarks, kept)
		}
		if st := s.Stats(); int(st.Lines) != kept || int(st.Dropped) != dropped {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestFloodWithoutNewlinesIsOneCutLine(t *testing.T) {
	s := open(t, patient())
	w := s.Writer(fib3, "a", Stdout, nil)
	chunk := bytes.Repeat([]byte{0}, 64<<10)
	for range 1000 {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	print(t, w, "\nafter\n")
	shut(t, w)
	got := read(t, s, fib, Query{})
	if len(got) != 2 || !got[0].Cut || len(got[0].Text) != MaxLine || got[1].Text != "after" {
		t.Errorf("%d lines", len(got))
	}
}

func TestConcurrentWritersNeverMixLines(t *testing.T) {
	cfg := unlimited()
	s := open(t, cfg)
	const writers, each = 8, 400
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			w := s.Writer(fn.RevisionRef{Ref: fib, Number: n}, fmt.Sprint("i", n/2), []string{Stdout, Stderr}[n%2], nil)
			for i := range each {
				text := fmt.Sprintf("%d:%d:%s\n", n, i, strings.Repeat(fmt.Sprint(n), i*7%3000))
				if _, err := w.Write([]byte(text[:len(text)/2])); err != nil {
					t.Error(err)
				}
				if _, err := w.Write([]byte(text[len(text)/2:])); err != nil {
					t.Error(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	next := make([]int, writers)
	for _, l := range read(t, s, fib, Query{}) {
		n := l.Revision
		if want := fmt.Sprintf("%d:%d:%s", n, next[n], strings.Repeat(fmt.Sprint(n), next[n]*7%3000)); l.Text != want {
			t.Fatalf("line %.40q, want %.40q", l.Text, want)
		}
		next[n]++
	}
	for n, got := range next {
		if got != each {
			t.Errorf("writer %d: %d of %d lines", n, got, each)
		}
	}
}

func TestADiskThatRefusesCostsLinesButNoErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, unlimited())
		// A file where the namespace's folder should be: nothing can be made.
		if err := s.root.WriteFile("default", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w := s.Writer(fib3, "a", Stdout, nil)
		print(t, w, "one\n")
		if err := s.root.Remove("default"); err != nil {
			t.Fatal(err)
		}
		print(t, w, "two\n") // the disk is left alone for a while
		same(t, s.Last("a"), []string{"one", "two"})
		pass(errorRest + time.Millisecond)
		print(t, w, "three\n")
		shut(t, w)
		same(t, texts(read(t, s, fib, Query{})), []string{"2 lines dropped: the disk is too slow or full", "three"})
		if st := s.Stats(); st.Dropped != 2 || st.Lines != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestLastLinesOutliveTheInstanceForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, patient())
		out := s.Writer(fib3, "a", Stdout, nil)
		errw := s.Writer(fib3, "a", Stderr, nil)
		for i := range 50 {
			print(t, out, fmt.Sprintln("line", i))
		}
		print(t, errw, "fatal: no newline, \x1b[2J")
		if got := s.Last("a"); len(got) != fn.MaxFailureOutput || got[19] != `fatal: no newline, \x1b[2J` || got[18] != "line 49" {
			t.Errorf("got %q", got)
		}
		shut(t, out, errw)
		if err := s.Sweep(time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := s.Last("a"); len(got) != fn.MaxFailureOutput || got[19] != `fatal: no newline, \x1b[2J` {
			t.Errorf("after its end: %q", got)
		}
		pass(endedFor)
		if err := s.Sweep(time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := s.Last("a"); got != nil || len(s.instances) != 0 {
			t.Errorf("a minute later: %q, %d instances remembered", got, len(s.instances))
		}
	})
}

func TestCrashLoopDoesNotGatherInstances(t *testing.T) {
	s := open(t, patient())
	for i := range 3 * maxEnded {
		w := s.Writer(fib3, fmt.Sprint("i", i), Stderr, nil)
		print(t, w, "bad config\n")
		shut(t, w)
	}
	if len(s.instances) != maxEnded || len(s.ended) != maxEnded {
		t.Errorf("%d instances remembered", len(s.instances))
	}
	if got := s.Last(fmt.Sprint("i", 3*maxEnded-1)); len(got) != 1 {
		t.Errorf("the newest is forgotten: %q", got)
	}
}

func TestOneLineIsOneLine(t *testing.T) {
	if countLines(1) != "1 line" || countLines(2) != "2 lines" {
		t.Error("grammar")
	}
}

func TestFilesAreForTheServerAlone(t *testing.T) {
	s := open(t, unlimited())
	w := s.Writer(fib3, "a", Stdout, nil)
	print(t, w, "secret\n")
	shut(t, w)
	for name, want := range map[string]os.FileMode{"default": 0o700, dirOf(fib): 0o700, segmentName(dirOf(fib), 1): 0o600} {
		info, err := s.root.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestSlowDiskIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, Config{})
		w := s.Writer(fib3, "a", Stdout, nil)
		print(t, w, "one\n")
		s.judge(time.Now(), 200*time.Millisecond, nil) // just bearable
		print(t, w, "two\n")
		s.judge(time.Now(), time.Second, nil)
		print(t, w, "three\n")
		pass(restFactor*time.Second - time.Millisecond)
		print(t, w, "four\n")
		pass(2 * time.Millisecond)
		print(t, w, "five\n")
		s.judge(time.Now(), time.Hour, nil)
		pass(maxRest)
		print(t, w, "six\n")
		shut(t, w)
		same(t, texts(read(t, s, fib, Query{})),
			[]string{"one", "two", "2 lines dropped: the disk is too slow or full", "five", "six"})
	})
}

func TestFileThatBreaksIsOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, unlimited())
		w := s.Writer(fib3, "a", Stdout, nil)
		print(t, w, "one\n")
		if err := s.rings[fib].file.Close(); err != nil {
			t.Fatal(err)
		}
		print(t, w, "two\n")
		if st := s.Stats(); st.Open != 0 || st.Dropped != 1 {
			t.Errorf("the broken file is still in use: %+v", st)
		}
		pass(errorRest + time.Millisecond)
		print(t, w, "three\n")
		shut(t, w)
		same(t, texts(read(t, s, fib, Query{})), []string{"one", "1 line dropped: the disk is too slow or full", "three"})
	})
}
