package control

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"rouse.dev/rouse/internal/build/source"
	"rouse.dev/rouse/internal/fn"
)

func newSources(t *testing.T) Sources {
	return Sources{Dir: t.TempDir(), Tmp: t.TempDir()}
}

func (s Sources) left(t *testing.T) (names []string) {
	t.Helper()
	for _, dir := range []string{s.Dir, s.Tmp} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestSourceIsKeptByItsContent(t *testing.T) {
	s := newSources(t)
	var digests []string
	for range 2 {
		d, err := s.Accept(t.Context(), archiveOf(t, "one"))
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d)
	}
	if digests[0] != digests[1] || len(s.left(t)) != 1 {
		t.Errorf("the same content twice: %v, files %v", digests, s.left(t))
	}
	if has, err := s.Has(digests[0]); err != nil || !has {
		t.Errorf("Has = %v, %v", has, err)
	}
	a, err := s.Open(t.Context(), digests[0])
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Open(t.Context(), digests[0])
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(a.Dir, "handler.py")); err != nil || string(text) != "one" || a.Digest != b.Digest || a.Dir == b.Dir {
		t.Errorf("opened: %q, %v; %+v and %+v", text, err, a, b)
	}
	if err := errors.Join(a.Close(), b.Close()); err != nil || len(s.left(t)) != 1 {
		t.Errorf("after closing: %v, files %v", err, s.left(t))
	}
}

func TestInterruptedUploadLeavesNothing(t *testing.T) {
	s := newSources(t)
	broken := errors.New("connection reset")
	_, err := s.Accept(t.Context(), io.MultiReader(archiveOf(t, "one"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("Accept = %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	_, err = s.Accept(ctx, iotest.ErrReader(io.ErrUnexpectedEOF))
	if mentions(t, err, fn.Canceled, "receiving"); !errors.Is(err, broken) {
		t.Errorf("Accept = %v, want why the caller left", err)
	}
	if left := s.left(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestSourceThatCannotBeUsedLeavesNothingUnpacked(t *testing.T) {
	s := newSources(t)
	accept := func(r io.Reader) string {
		d, err := s.Accept(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	big := accept(archiveOf(t, strings.Repeat("x", 2000)))
	s.Limits = source.Limits{Bytes: 1000}
	_, err := s.Open(t.Context(), big)
	mentions(t, err, fn.TooLarge, "unpacking")
	_, err = s.Open(t.Context(), accept(bytes.NewReader([]byte("no archive"))))
	mentions(t, err, fn.Invalid, "unpacking")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Open(ctx, accept(archiveOf(t, "one")))
	mentions(t, err, fn.Canceled)
	if left := s.left(t); len(left) != 3 {
		t.Errorf("left: %v, want the three archives", left)
	}
}

func TestWhatIsNoDigestIsNoSource(t *testing.T) {
	s := newSources(t)
	for _, d := range []string{"", "sha256:", "sha256:../../etc/passwd", "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("a", 64)} {
		if has, err := s.Has(d); has || err != nil {
			t.Errorf("Has(%q) = %v, %v", d, has, err)
		}
		_, err := s.Open(t.Context(), d)
		if mentions(t, err, fn.NotFound, "no source"); fn.Hint(err) == "" {
			t.Errorf("%q: no hint", d)
		}
	}
}

func TestCollectingSourcesSparesUsedOnesAndUploads(t *testing.T) {
	s := newSources(t)
	old := time.Now().Add(-time.Hour)
	var digests []string
	for _, text := range []string{"unused", "asked for", "built"} {
		d, err := s.Accept(t.Context(), archiveOf(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(s.Dir, s.name(d)), old, old); err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d)
	}
	if has, err := s.Has(digests[1]); !has || err != nil {
		t.Fatal(err)
	}
	src, err := s.Open(t.Context(), digests[2])
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	// Collection comes in the middle of an upload.
	collected := false
	_, err = s.Accept(t.Context(), io.MultiReader(archiveOf(t, "slow"), readerFunc(func([]byte) (int, error) {
		if !collected {
			collected = true
			if err := s.Collect(time.Now().Add(-time.Minute)); err != nil {
				t.Error(err)
			}
		}
		return 0, io.EOF
	})))
	if err != nil || !collected {
		t.Errorf("the upload: %v, collected %v", err, collected)
	}
	for i, want := range []bool{false, true, true} {
		if has, err := s.Has(digests[i]); has != want || err != nil {
			t.Errorf("source %d: %v, %v; want %v", i, has, err, want)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
