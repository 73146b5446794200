package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// archive makes a tar of headers; a regular file's content is its Linkname.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := ""
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			h.Typeflag, body, h.Linkname = tar.TypeReg, h.Linkname, ""
			h.Size = int64(len(body))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(name, body string) tar.Header { return tar.Header{Name: name, Linkname: body, Mode: 0o600} }

func link(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target}
}

func dir(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o700} }

func TestUnpackWritesATree(t *testing.T) {
	data := archive(t, dir("./"), dir("a/"), file("a/b.txt", "hello"), tar.Header{Name: "run", Linkname: "#!", Mode: 0o4711},
		file("deep/er/c", ""), link("l", "a/b.txt"), link("deep/up", "../a"), link("nowhere", "a/none"), dir("a"))
	for name, in := range map[string][]byte{"tar": data, "tar.gz": zipped(t, data)} {
		t.Run(name, func(t *testing.T) {
			into := t.TempDir()
			stats, err := Unpack(t.Context(), bytes.NewReader(in), into, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if stats.Files != 3 || stats.Bytes != 7 || stats.Packed != int64(len(in)) {
				t.Errorf("stats %+v of %d bytes", stats, len(in))
			}
			for path, want := range map[string]fs.FileMode{"a/b.txt": 0o644, "run": 0o755, "a": 0o755 | fs.ModeDir, "deep/er/c": 0o644} {
				if info, err := os.Lstat(filepath.Join(into, path)); err != nil || info.Mode() != want {
					t.Errorf("%s: got %v, %v; want %v", path, info.Mode(), err, want)
				}
			}
			if got, err := os.ReadFile(filepath.Join(into, "deep/up/b.txt")); string(got) != "hello" {
				t.Errorf("through the link: %q, %v", got, err)
			}
		})
	}
}

func TestUnpackRefusesWhatWouldLeaveTheTree(t *testing.T) {
	long := strings.Repeat("x/", maxDepth) + "y"
	for name, headers := range map[string][]tar.Header{
		"dot dot":              {file("../x", "")},
		"dot dot inside":       {file("a/../../x", "")},
		"dot dot that stays":   {file("a/../x", "")},
		"absolute":             {file("/etc/x", "")},
		"backslash":            {file(`..\x`, "")},
		"control byte":         {file("a\nb", "")},
		"not UTF-8":            {file("a\xffb", "")},
		"hard link":            {file("a", ""), {Typeflag: tar.TypeLink, Name: "b", Linkname: "a"}},
		"device":               {{Typeflag: tar.TypeChar, Name: "null", Devmajor: 1, Devminor: 3}},
		"pipe":                 {{Typeflag: tar.TypeFifo, Name: "p"}},
		"absolute link":        {link("l", "/etc/passwd")},
		"escaping link":        {link("a/l", "../../x")},
		"escaping chain":       {link("here", "."), link("out", "here/../x"), link("up", "here/.."), dir("d/"), link("d/e", "../up/x")},
		"chain through links":  {dir("a/"), dir("a/b/"), link("s", "a/b"), link("t", "s/../../../x")},
		"below a link":         {dir("a/"), link("l", "a"), file("l/x", "")},
		"below a file":         {file("a", ""), file("a/b", "")},
		"a link twice":         {link("l", "a"), link("l", "b")},
		"a file twice":         {file("a", "1"), file("a", "2")},
		"a file over a folder": {dir("a/"), file("a", "")},
		"a file over a link":   {link("l", "x"), file("l", "")},
		"case":                 {file("Read", ""), file("read", "")},
		"case of a folder":     {file("A/x", ""), file("a/y", "")},
		"case beyond ASCII":    {file("é", ""), file("É", "")},
		"case of the kelvin":   {file("k", ""), file("\u212a", "")},
		"too deep":             {file(long, "")},
		"a long name":          {file(strings.Repeat("x", 256), "")},
		"a link of control":    {link("l", "a\x01")},
		"the tree as a file":   {file(".", "")},
		"nothing":              {},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			into := filepath.Join(top, "in", "to")
			if err := os.MkdirAll(into, 0o755); err != nil {
				t.Fatal(err)
			}
			_, err := Unpack(t.Context(), bytes.NewReader(archive(t, headers...)), into, Limits{})
			if fn.KindOf(err) != fn.Invalid {
				t.Errorf("got %v, want an Invalid error", err)
			}
			if entries, _ := os.ReadDir(filepath.Join(top, "in")); len(entries) != 1 {
				t.Errorf("it wrote outside: %v", entries)
			}
		})
	}
}

func TestUnpackAllowsAChainThatStays(t *testing.T) {
	data := archive(t, dir("a/"), dir("a/b/"), file("a/x", "1"), link("s", "a/b"), link("t", "s/../x"))
	if _, err := Unpack(t.Context(), bytes.NewReader(data), t.TempDir(), Limits{}); err != nil {
		t.Error(err)
	}
}

func TestUnpackKeepsItsLimits(t *testing.T) {
	big := archive(t, file("zeros", strings.Repeat("\x00", 40<<20)))
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	many := archive(t, file("a/b/c/d", string(noise)), file("e", ""))
	for name, c := range map[string]struct {
		in     []byte
		limits Limits
	}{
		"bytes":          {big, Limits{Bytes: 1 << 20}},
		"bytes packed":   {many, Limits{Packed: 1024}},
		"packed by gzip": {zipped(t, many), Limits{Packed: 1024}},
		"entries":        {many, Limits{Entries: 4}},
		"ratio":          {zipped(t, big), Limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Unpack(t.Context(), bytes.NewReader(c.in), t.TempDir(), c.limits); fn.KindOf(err) != fn.TooLarge {
				t.Errorf("got %v, want a TooLarge error", err)
			}
		})
	}
	if _, err := Unpack(t.Context(), bytes.NewReader(many), t.TempDir(), Limits{Entries: 5, Bytes: 4096, Packed: int64(len(many))}); err != nil {
		t.Errorf("just at the limits: %v", err)
	}
}

func TestUnpackTellsBrokenStreams(t *testing.T) {
	whole := zipped(t, archive(t, file("a", strings.Repeat("x", 100_000))))
	broken := errors.New("the line broke")
	for name, c := range map[string]struct {
		in   io.Reader
		want error
	}{
		"text":          {strings.NewReader(strings.Repeat("hello ", 200)), fn.Invalid},
		"half a gzip":   {bytes.NewReader(whole[:len(whole)/2]), fn.Invalid},
		"a gzip head":   {bytes.NewReader(whole[:5]), fn.Invalid},
		"empty":         {bytes.NewReader(nil), fn.Invalid},
		"a lost client": {io.MultiReader(bytes.NewReader(whole[:60]), iotest.ErrReader(broken)), broken},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Unpack(t.Context(), c.in, t.TempDir(), Limits{}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// tree writes files; a name ending in "*" is executable.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	top := t.TempDir()
	for name, body := range files {
		mode := fs.FileMode(0o600)
		name, exec := strings.CutSuffix(name, "*")
		if exec {
			mode = 0o700
		}
		full := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o750), os.WriteFile(full, []byte(body), mode)); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

func digest(t *testing.T, dir string) string {
	t.Helper()
	d, _, err := Digest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDigestFollowsContentAlone(t *testing.T) {
	base := map[string]string{"a": "1", "b/c": "2"}
	want := digest(t, tree(t, base))
	same := tree(t, base)
	if err := errors.Join(os.Chmod(filepath.Join(same, "a"), 0o444), os.Chtimes(filepath.Join(same, "a"), time.Unix(0, 0), time.Unix(0, 0))); err != nil {
		t.Fatal(err)
	}
	if got := digest(t, same); got != want {
		t.Error("mode and time changed the digest")
	}
	for name, files := range map[string]map[string]string{
		"content":  {"a": "3", "b/c": "2"},
		"a name":   {"aa": "1", "b/c": "2"},
		"a place":  {"a": "1", "c": "2"},
		"a mode":   {"a*": "1", "b/c": "2"},
		"swapped":  {"a": "2", "b/c": "1"},
		"one more": {"a": "1", "b/c": "2", "d": ""},
	} {
		if digest(t, tree(t, files)) == want {
			t.Errorf("%s did not change the digest", name)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, dir("a/"), file("a/b", "x"), link("l", "a/b")))
	f.Add(zipped(f, archive(f, file("../x", ""), link("l", "/etc"))))
	f.Add(archive(f, link("here", "."), link("out", "here/.."), file("out/x", "")))
	f.Add(archive(f, tar.Header{Typeflag: tar.TypeLink, Name: "b", Linkname: "a"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		top, err := os.MkdirTemp("", "unpack")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(top)
		into := filepath.Join(top, "in")
		if err := os.Mkdir(into, 0o755); err != nil {
			t.Fatal(err)
		}
		stats, err := Unpack(t.Context(), bytes.NewReader(data), into, Limits{Bytes: 1 << 20, Entries: 100})
		if entries, _ := os.ReadDir(top); len(entries) != 1 {
			t.Fatalf("it wrote outside: %v", entries)
		}
		if err != nil {
			if k := fn.KindOf(err); k != fn.Invalid && k != fn.TooLarge {
				t.Fatalf("%v has kind %s", err, k)
			}
			return
		}
		_, size, err := Digest(into)
		if err != nil || size != stats.Bytes {
			t.Fatalf("digest: %v; %d bytes, %d unpacked", err, size, stats.Bytes)
		}
	})
}
