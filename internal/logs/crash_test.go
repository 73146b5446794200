package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// writeSegment makes a segment with exactly these bytes.
func writeSegment(t *testing.T, dir string, seq int, data string) {
	t.Helper()
	name := filepath.Join(dir, "default", "fib", fmt.Sprintf("%08d.log", seq))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func record(text string) string {
	l := Line{Time: time.Unix(1_900_000_000, 0), Stream: Stdout, Revision: 1, Instance: "a", Text: text}
	return string(appendHead(nil, &l)) + text + "\n"
}

func TestTornLastLineIsLeftOutAndEndedByTheNextWriter(t *testing.T) {
	dir := t.TempDir()
	torn := record("torn in the text")
	writeSegment(t, dir, 7, record("one")+torn[:len(torn)-6])
	s := openAt(t, dir, unlimited())
	same(t, texts(read(t, s, fib, Query{})), []string{"one"})

	w := s.Writer(fib3, "b", Stdout, nil)
	print(t, w, "two\n")
	shut(t, w)
	same(t, texts(read(t, s, fib, Query{})), []string{"one", "torn in the", "two"})
}

func TestTornHeadIsSkipped(t *testing.T) {
	dir := t.TempDir()
	writeSegment(t, dir, 1, record("one")+record("two")[:20])
	s := openAt(t, dir, unlimited())
	w := s.Writer(fib3, "b", Stdout, nil)
	print(t, w, "three\n")
	shut(t, w)
	same(t, texts(read(t, s, fib, Query{})), []string{"one", "three"})
}

func TestDamageIsSkipped(t *testing.T) {
	for name, hole := range map[string]string{
		"zeros after a power cut":    strings.Repeat("\x00", 8192) + "\n",
		"a block of another file":    "hello\n\nworld o 1 a - \n" + strings.Repeat("-", 300) + "\n",
		"a line longer than allowed": record(strings.Repeat("x", MaxLine+maxHead)),
		"a line without end":         strings.Repeat("y", 300_000) + "\n",
		"a bad time":                 "2026-13-01T00:00:00.000000000Z o 1 a - text\n",
		"a bad stream":               strings.Replace(record("x"), " o ", " z ", 1),
		"a bad revision":             strings.Replace(record("x"), " 1 ", " one ", 1),
		"no instance":                strings.Replace(record("x"), " a ", "  ", 1),
		"no call":                    strings.Replace(record("x"), " - ", "  ", 1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeSegment(t, dir, 1, record("one")+hole+record("two"))
			writeSegment(t, dir, 2, record("three"))
			s := openAt(t, dir, unlimited())
			same(t, texts(read(t, s, fib, Query{})), []string{"one", "two", "three"})
		})
	}
}

func TestStrangeFilesInTheFolderAreNotTouched(t *testing.T) {
	dir := t.TempDir()
	writeSegment(t, dir, 1, record("one"))
	folder := filepath.Join(dir, "default", "fib")
	for _, name := range []string{"notes.txt", "x.log", "0.log", "-1.log"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(record("strange")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(folder, "00000009.log")); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, dir, unlimited())
	same(t, texts(read(t, s, fib, Query{})), []string{"one"})
}

func TestGarbageIsKeptRawAndShownSafe(t *testing.T) {
	s := open(t, unlimited())
	w := s.Writer(fib3, "a", Stdout, nil)
	r := rand.New(rand.NewPCG(1, 1))
	garbage := make([]byte, 100_000)
	for i := range garbage {
		garbage[i] = byte(r.Uint32())
	}
	for rest := garbage; len(rest) > 0; {
		n := min(len(rest), 1+r.IntN(5000))
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	shut(t, w)
	got := read(t, s, fib, Query{})
	if raw := strings.Join(texts(got), "\n"); raw != strings.TrimSuffix(string(garbage), "\n") {
		t.Error("the bytes are not those that were printed")
	}
	for _, l := range got {
		b, err := json.Marshal(l)
		if err != nil || !utf8.Valid(b) || bytes.ContainsRune(b, utf8.RuneError) {
			t.Fatalf("%q becomes %s: %v", l.Text, b, err)
		}
		if i := strings.IndexFunc(Printable(l.Text), func(r rune) bool { return r < ' ' && r != '\t' || r == utf8.RuneError }); i >= 0 {
			t.Fatalf("%q is not printable", Printable(l.Text))
		}
	}
}

func TestJSONSaysWhatIsThere(t *testing.T) {
	l := Line{Time: time.Unix(1_900_000_000, 5).UTC(), Stream: Stderr, Revision: 2, Instance: "a", Call: "c", Text: "ä\xff\x00\ufffd<", Cut: true}
	got, err := json.Marshal(l)
	want := `{"time":"2030-03-17T17:46:40.000000005Z","stream":"stderr","revision":2,"instance":"a","callId":"c","text":"ä\\xff\u0000` + "\ufffd" + `\u003c","cut":true}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s (%v)\nwant %s", got, err, want)
	}
	if got := Printable("a\tb\x1b[31m\x7f\u0085ü"); got != "a\tb\\x1b[31m\\x7f\\xc2\\x85ü" {
		t.Errorf("printable: %q", got)
	}
	if got := Printable("plain"); got != "plain" {
		t.Errorf("printable: %q", got)
	}
}
