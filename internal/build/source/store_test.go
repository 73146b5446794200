package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func TestStoreKeepsAndOpensArchives(t *testing.T) {
	dir := t.TempDir()
	s, err := NewStore(dir, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data := zipped(t, archive(t, file("handler.py", "x")))
	digest, err := s.Accept(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256(data)); digest != want {
		t.Errorf("digest %s, want %s", digest, want)
	}
	if ok, err := s.Has(digest); !ok || err != nil {
		t.Errorf("Has: %v, %v", ok, err)
	}
	o, err := s.Open(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(o.Dir, "handler.py")); string(text) != "x" || o.Digest == "" || o.Stats.Files != 1 {
		t.Errorf("%q, %v, %+v", text, err, o)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if n, err := s.Prune(time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("Prune: %d, %v", n, err)
	}
	if ok, err := s.Has(digest); ok || err != nil {
		t.Errorf("after pruning: %v, %v", ok, err)
	}
	if _, err := s.Open(t.Context(), digest); !errors.Is(err, fn.NotFound) {
		t.Errorf("after pruning: %v", err)
	}
}

func TestStoreKeepsNothingOfWhatItRefuses(t *testing.T) {
	dir := t.TempDir()
	s, err := NewStore(dir, Limits{Packed: 1000})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the line broke")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		in   io.Reader
		want error
	}{
		"too large":     {t.Context(), strings.NewReader(strings.Repeat("x", 1001)), fn.TooLarge},
		"a broken line": {t.Context(), io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken)), broken},
		"a lost client": {ended, strings.NewReader("x"), context.Canceled},
	} {
		if _, err := s.Accept(c.ctx, c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	digest, err := s.Accept(t.Context(), strings.NewReader("not an archive"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(t.Context(), digest); !errors.Is(err, fn.Invalid) {
		t.Errorf("opening rubbish: %v", err)
	}
	if open, _ := os.ReadDir(filepath.Join(dir, "open")); len(open) > 0 {
		t.Errorf("left %v", open)
	}
	for _, bad := range []string{"", "sha256:../../etc/passwd", "sha256:" + strings.Repeat("g", 64), "md5:" + strings.Repeat("a", 64)} {
		if _, err := s.Open(t.Context(), bad); !errors.Is(err, fn.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestNewStoreRemovesWhatAKilledServerLeft(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".new-123", "open/source-1/x"} {
		full := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := NewStore(dir, Limits{}); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*/*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if _, err := os.Stat(filepath.Join(dir, ".new-123")); err == nil {
		t.Error("left a half upload")
	}
}
