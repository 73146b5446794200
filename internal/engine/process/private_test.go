package process

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

// TestPrivateFilesFitBesideAnyMemoryLimit: a child that the limit ended while
// it still shares the server's memory would take the server with it.
func TestPrivateFilesFitBesideAnyMemoryLimit(t *testing.T) {
	e := newEngine(t)
	s := command("large", "bash", "-c", "cat /var/x/* | wc -c")
	s.Limits.Memory = fn.MinMemory
	for n := range 2 {
		s.Files = append(s.Files, engine.File{
			Path: "/var/x/" + string(rune('a'+n)), Data: bytes.Repeat([]byte{byte(n)}, engine.MaxFileBytes/2),
		})
	}
	if out, exit := run(t, e, s); exit.Code != 0 || strings.TrimSpace(out) != "8388608" {
		t.Errorf("exit %+v, output %q", exit, out)
	}
}

func TestFoldersThatHoldTheSameAreOne(t *testing.T) {
	file := func(path, data string) engine.File { return engine.File{Path: path, Data: []byte(data)} }
	got := foldersOf([]engine.File{
		file("/a/x", "1"), file("/b/x", "1"), file("/c/x", "1"), file("/a/y", "2"), file("/b/y", "2"), file("/d/x", "other"),
	})
	var targets [][]string
	for _, f := range got {
		targets = append(targets, f.Targets)
		if f.Files[0].Mode != 0o400 {
			t.Errorf("mode %o", f.Files[0].Mode)
		}
	}
	want := [][]string{{"/a", "/b"}, {"/c"}, {"/d"}}
	if !slices.EqualFunc(targets, want, slices.Equal[[]string]) {
		t.Errorf("folders %v, want %v", targets, want)
	}
	if got := foldersOf(nil); got != nil {
		t.Errorf("without files: %v", got)
	}
}

// TestNothingOfAFileStaysInTheEngine looks at what an instance holds on to.
func TestNothingOfAFileStaysInTheEngine(t *testing.T) {
	e := newEngine(t)
	s := command("forgets", "bash", "-c", "cat /var/x/y; exec sleep 1000")
	s.Files = []engine.File{{Path: "/var/x/y", Data: []byte("content\n")}}
	i := newInstance(e, &s)
	if err := e.add(i); err != nil {
		t.Fatal(err)
	}
	e.begin()
	if err := e.start(t.Context(), i, &s); err != nil {
		t.Fatal(err)
	}
	if s.Files != nil {
		t.Error("the spec still has the files")
	}
	if err := i.Stop(t.Context(), 0); err != nil {
		t.Error(err)
	}
}
