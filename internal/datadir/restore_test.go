package datadir

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/memory"
	"rouse.dev/rouse/internal/store/record"
)

// member is one of a crafted archive.
type member struct {
	name    string
	kind    byte // tar.TypeReg if 0
	content string
	target  string
}

func objectsMember(t testing.TB, objects ...store.Object) member {
	t.Helper()
	var b bytes.Buffer
	w := record.NewWriter(&b)
	version := uint64(0)
	for _, o := range objects {
		version = max(version, o.Version)
		if err := w.Write(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(version); err != nil {
		t.Fatal(err)
	}
	return member{name: memberObjects, content: b.String()}
}

// whole is a good archive with extra members before its sums.
func whole(t testing.TB, extra ...member) []member {
	t.Helper()
	o := store.Object{Key: store.Key{Kind: "things", Name: "a"}, Version: 1, Value: []byte("{}")}
	m := append([]member{{name: memberFormat, content: "1\n"}, objectsMember(t, o)}, extra...)
	return append(m, sumsOf(m))
}

func sumsOf(members []member) member {
	var b strings.Builder
	for _, m := range members {
		if m.kind == 0 {
			sum := sha256.Sum256([]byte(m.content))
			b.WriteString(sumLine(sum[:], m.name))
		}
	}
	return member{name: memberSums, content: b.String()}
}

func makeTar(t testing.TB, members []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Linkname: m.target, Size: int64(len(m.content)), Mode: 0o644}
		if m.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	seal := newSealWriter(&b)
	w, err := zstd.NewWriter(seal, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), seal.finish()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func craft(t testing.TB, members []member) []byte { return pack(t, makeTar(t, members)) }

func memoryConfig() RestoreConfig {
	return RestoreConfig{
		Open:     func(string) (Loader, error) { return memory.New(memory.Config{}), nil },
		Validate: func(store.Object) error { return nil },
	}
}

// refused checks that an archive is refused with kind and leaves nothing.
func refused(t *testing.T, archive io.Reader, c RestoreConfig, kind error, text string) {
	t.Helper()
	parent := t.TempDir()
	err := Restore(t.Context(), archive, filepath.Join(parent, "data"), c)
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v (%s), want %v with %q", err, fn.KindOf(err), kind, text)
	}
	if left := names(t, parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAGoodCraftedArchiveIsTaken(t *testing.T) {
	// Else the tests below would prove nothing.
	path := filepath.Join(t.TempDir(), "data")
	archive := craft(t, whole(t,
		member{name: "artifacts/id/", kind: tar.TypeDir},
		member{name: "artifacts/id/a", content: "x"},
		member{name: "artifacts/id/l", kind: tar.TypeSymlink, target: "a"}))
	if err := Restore(t.Context(), bytes.NewReader(archive), path, memoryConfig()); err != nil {
		t.Fatal(err)
	}
	want := []string{"artifacts", "format", "logs", "queue", "run", "sources", "store", "tmp"}
	if got := names(t, path); !slices.Equal(got, want) {
		t.Errorf("the folder holds %v, want %v", got, want)
	}
	if got, err := os.ReadFile(filepath.Join(path, "artifacts/id/l")); err != nil || string(got) != "x" {
		t.Errorf("through the link: %q, %v", got, err)
	}
}

func TestUnsafeMembersAreRefused(t *testing.T) {
	id := member{name: "artifacts/id/", kind: tar.TypeDir}
	link := func(name, target string) member { return member{name: name, kind: tar.TypeSymlink, target: target} }
	for what, extra := range map[string][]member{
		"traversal":                {{name: "artifacts/../../evil", content: "x"}},
		"hidden traversal":         {id, {name: "artifacts/id/../../../evil", content: "x"}},
		"absolute":                 {{name: "/etc/evil", content: "x"}},
		"another folder":           {{name: "store/CURRENT", content: "x"}},
		"the folder itself":        {{name: "artifacts", content: "x"}},
		"not clean":                {id, {name: "artifacts/id//a", content: "x"}},
		"dot":                      {{name: "./artifacts/a", content: "x"}},
		"empty name":               {{name: "", content: "x"}},
		"deep":                     {{name: "artifacts/" + strings.Repeat("a/", 200) + "a", content: "x"}},
		"long part":                {{name: "artifacts/" + strings.Repeat("a", 256), content: "x"}},
		"no parent":                {{name: "artifacts/id/a", content: "x"}},
		"twice the same file":      {id, {name: "artifacts/id/a", content: "x"}, {name: "artifacts/id/a", content: "y"}},
		"twice the same folder":    {id, id},
		"file as folder":           {{name: "artifacts/id", content: "x"}, {name: "artifacts/id/a", content: "x"}},
		"link out":                 {id, link("artifacts/id/l", "../../../evil")},
		"link to another artifact": {id, link("artifacts/id/l", "../other/a")},
		"absolute link":            {id, link("artifacts/id/l", "/etc/passwd")},
		"empty link":               {id, link("artifacts/id/l", "")},
		"link that turns":          {id, link("artifacts/id/l", "a/../../..")},
		"link for an artifact":     {link("artifacts/id", "elsewhere")},
		"write through a link":     {id, {name: "artifacts/id/d/", kind: tar.TypeDir}, link("artifacts/id/l", "d"), {name: "artifacts/id/l/a", content: "x"}},
		"link over a file":         {id, {name: "artifacts/id/l", content: "x"}, link("artifacts/id/l", "a")},
		"hard link":                {id, {name: "artifacts/id/a", content: "x"}, {name: "artifacts/id/b", kind: tar.TypeLink, target: "artifacts/id/a"}},
		"device":                   {id, {name: "artifacts/id/d", kind: tar.TypeChar}},
		"block device":             {id, {name: "artifacts/id/d", kind: tar.TypeBlock}},
		"fifo":                     {id, {name: "artifacts/id/d", kind: tar.TypeFifo}},
		"the sums as a link":       {link(memberSums, "/etc/passwd")},
		"a second format":          {{name: memberFormat, content: "1\n"}},
		"a name of ours":           {{name: sumsSeen, content: "x"}},
	} {
		t.Run(what, func(t *testing.T) {
			refused(t, bytes.NewReader(craft(t, whole(t, extra...))), memoryConfig(), fn.Invalid, "")
		})
	}
}

func TestWrongArchivesAreRefused(t *testing.T) {
	good := whole(t)
	later := slices.Clone(good)
	later[0].content = "2\n"
	wrong := slices.Clone(good)
	wrong[2] = sumsOf(later)
	noSum := slices.Clone(good)
	noSum[2].content = ""
	moreSums := slices.Clone(good)
	moreSums[2].content += sumLine(make([]byte, 32), "artifacts/missing")
	later[2] = sumsOf(later[:2])
	damagedObjects := slices.Clone(good)
	damagedObjects[1].content = damagedObjects[1].content[:20]
	damagedObjects[2] = sumsOf(damagedObjects[:2])
	longLine := slices.Clone(good)
	longLine[2].content = strings.Repeat("x", 1<<20)
	for what, c := range map[string]struct {
		members []member
		text    string
	}{
		"nothing":         {nil, "does not end with"},
		"a newer format":  {later, "has format 2"},
		"wrong sums":      {wrong, "its sums say"},
		"no sums":         {noSum, "its sums say"},
		"too many sums":   {moreSums, "its sums say"},
		"a line too long": {longLine, "too long"},
		"not ended":       {good[:2], "does not end with"},
		"other order":     {[]member{good[1], good[0], good[2]}, "where format must be"},
		"goes on":         {append(slices.Clone(good), member{name: "artifacts/a", content: "x"}), "after its end"},
		"bad objects":     {damagedObjects, "snapshot"},
	} {
		t.Run(what, func(t *testing.T) {
			refused(t, bytes.NewReader(craft(t, c.members)), memoryConfig(), fn.Invalid, c.text)
		})
	}
	t.Run("no backup at all", func(t *testing.T) {
		refused(t, strings.NewReader(strings.Repeat("hello ", 100)), memoryConfig(), fn.Invalid, "")
	})
	t.Run("bytes after the tar", func(t *testing.T) {
		refused(t, bytes.NewReader(pack(t, append(makeTar(t, good), 0))), memoryConfig(), fn.Invalid, "after its end")
	})
}

func TestArchivesOverTheLimitsAreRefused(t *testing.T) {
	id := member{name: "artifacts/id/", kind: tar.TypeDir}
	big := member{name: "artifacts/id/big", content: strings.Repeat("\x00", 10<<20)} // compresses to nothing
	c := memoryConfig()
	c.MaxBytes = 10 << 20
	refused(t, bytes.NewReader(craft(t, whole(t, id, big))), c, fn.TooLarge, "more than 10485760 bytes")
	c = memoryConfig()
	c.MaxMembers = 3
	refused(t, bytes.NewReader(craft(t, whole(t, id))), c, fn.TooLarge, "more than 3 files")
}

// realBackup is a small archive that Backup made.
func realBackup(t testing.TB) []byte {
	t.Helper()
	d := mustOpen(t, t.TempDir())
	s := memory.New(memory.Config{})
	for i := range 5 {
		c := store.Change{Key: store.Key{Kind: "things", Name: fmt.Sprint(i)}, Value: fmt.Appendf(nil, `{"n":%d}`, i)}
		if _, err := s.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(d.Artifacts(), "sha256:11", "bin")
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "a"), []byte("content"), 0o600), os.Symlink("a", filepath.Join(dir, "l")))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := errors.Join(Backup(t.Context(), &b, d, s), d.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnArchiveCutAnywhereIsRefused(t *testing.T) {
	archive := realBackup(t)
	for n := range archive {
		refused(t, bytes.NewReader(archive[:n]), memoryConfig(), fn.Invalid, "")
		if t.Failed() {
			t.Fatalf("cut at %d of %d bytes", n, len(archive))
		}
	}
}

func TestAnArchiveWithAnyBitFlippedIsRefused(t *testing.T) {
	archive := realBackup(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range archive {
		flipped := slices.Clone(archive)
		flipped[n] ^= 1 << rng.IntN(8)
		refused(t, bytes.NewReader(flipped), memoryConfig(), fn.Invalid, "")
		if t.Failed() {
			t.Fatalf("a bit flipped in byte %d of %d", n, len(archive))
		}
	}
}

func TestAnArchiveWithAnyByteAddedIsRefused(t *testing.T) {
	archive := realBackup(t)
	for _, n := range []int{0, 1, len(archive) / 2, len(archive) - sealSize, len(archive)} {
		refused(t, bytes.NewReader(slices.Insert(slices.Clone(archive), n, 0)), memoryConfig(), fn.Invalid, "")
	}
}

func TestRestoreAsksTheValidatorOfAllObjects(t *testing.T) {
	c := memoryConfig()
	var seen []string
	c.Validate = func(o store.Object) error {
		seen = append(seen, o.Name)
		if o.Name == "1" || o.Name == "3" {
			return fn.Errorf(fn.Invalid, "memory must not be negative")
		}
		return nil
	}
	c.Open = func(string) (Loader, error) { t.Error("a store was opened"); return nil, fn.Internal }
	refused(t, bytes.NewReader(realBackup(t)), c, fn.Invalid, "2 objects that this version of rouse refuses: things 1: memory must not be negative\nthings 3")
	if !slices.Equal(seen, []string{"0", "1", "2", "3", "4"}) {
		t.Errorf("validated: %v", seen)
	}
}

func TestRestoreFailsWithItsStore(t *testing.T) {
	c := memoryConfig()
	full := fn.Errorf(fn.Exhausted, "the disk is full")
	c.Open = func(string) (Loader, error) { return nil, full }
	refused(t, bytes.NewReader(realBackup(t)), c, full, "")
	s := memory.New(memory.Config{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.Open = func(string) (Loader, error) { return s, nil }
	refused(t, bytes.NewReader(realBackup(t)), c, fn.Unavailable, "closed")
}

func TestRestoreEndsWithItsContextAndItsReader(t *testing.T) {
	archive := realBackup(t)
	gone := errors.New("connection lost")
	half := io.MultiReader(bytes.NewReader(archive[:len(archive)/2]), brokenReader{gone})
	refused(t, half, memoryConfig(), gone, "")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	parent := t.TempDir()
	err := Restore(ctx, bytes.NewReader(archive), filepath.Join(parent, "data"), memoryConfig())
	if !errors.Is(err, gone) || len(names(t, parent)) > 0 {
		t.Errorf("got %v, left behind: %v", err, names(t, parent))
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestRestoreTakesEmptyFoldersOnly(t *testing.T) {
	archive := realBackup(t)
	path := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), bytes.NewReader(archive), path, memoryConfig()); err != nil {
		t.Errorf("into an empty folder: %v", err)
	}
	before := names(t, path)
	err := Restore(t.Context(), bytes.NewReader(archive), path, memoryConfig())
	wantError(t, err, fn.Conflict, "not empty", "name a folder")
	if !slices.Equal(before, names(t, path)) || len(names(t, filepath.Dir(path))) != 1 {
		t.Errorf("left %v, beside it %v", names(t, path), names(t, filepath.Dir(path)))
	}
	err = Restore(t.Context(), bytes.NewReader(archive), filepath.Join(path, "no", "such"), memoryConfig())
	wantError(t, err, fn.Invalid, "no such file", "first")
}

func TestRestoreMigratesAnOlderBackup(t *testing.T) {
	failAt := 0
	table := recorder(1, 3, &failAt)
	path := filepath.Join(t.TempDir(), "data")
	if err := restore(t.Context(), bytes.NewReader(realBackup(t)), path, memoryConfig().withDefaults(), table); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"format": "3\n", "steps": "12"} {
		if got, err := os.ReadFile(filepath.Join(path, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
}
