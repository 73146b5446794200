package source

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"rouse.dev/rouse/internal/fn"
)

// Limits bound an archive. A zero field means the default.
type Limits struct {
	Packed  int64 // bytes as sent; default 1 GiB
	Bytes   int64 // bytes of all files; default 4 GiB
	Entries int   // files, folders and links; default 100,000
	Ratio   int64 // bytes unpacked for each byte sent, beyond the first 16 MiB; default 200
}

// Bounds that are not for operators to choose.
const (
	maxPath      = 1024 // bytes of a path
	maxComponent = 255  // bytes of one name in it
	maxDepth     = 64   // folders
	ratioSlack   = 16 << 20
)

func (l Limits) withDefaults() Limits {
	or(&l.Packed, 1<<30)
	or(&l.Bytes, 4<<30)
	or(&l.Entries, 100_000)
	or(&l.Ratio, 200)
	return l
}

func or[T int | int64](field *T, def T) {
	if *field == 0 {
		*field = def
	}
}

// Stats says what was unpacked.
type Stats struct {
	Files   int   // regular files
	Entries int   // files, folders and links
	Bytes   int64 // of all files
	Packed  int64 // as sent
}

// Unpack writes the tar or tar.gz in r into the folder dir, which exists and
// is empty. Regular files, folders, and links that stay in the tree are
// written, with modes 0755 or 0644; everything else is refused: absolute
// names, "..", hard links, devices, names that differ in case only, a file
// given twice. Errors are Invalid, or TooLarge at a limit; an error of r is
// returned as it is. After an error dir holds a part of the archive: remove
// it.
func Unpack(ctx context.Context, r io.Reader, dir string, limits Limits) (Stats, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Stats{}, fn.Errorf(fn.Internal, "opening the source folder: %w", err)
	}
	defer root.Close()
	u := &unpacker{root: root, limits: limits.withDefaults(), seen: map[string]entry{}}
	u.in = &counter{r: r, limit: u.limits.Packed}
	if err := u.run(ctx); err != nil {
		if u.in.err != nil { // the stream's own end explains what the formats made of it
			return u.stats, u.in.err
		}
		return u.stats, err
	}
	u.stats.Packed = u.in.n
	return u.stats, nil
}

// entry is what has been written at a name.
type entry struct {
	name string // as spelt
	kind byte   // tar type
}

// unpacker is one run of Unpack; one goroutine owns it.
type unpacker struct {
	root   *os.Root
	limits Limits
	in     *counter
	stats  Stats
	seen   map[string]entry // by case-folded name
	links  []string
}

func (u *unpacker) run(ctx context.Context) error {
	stream, err := open(u.in)
	if err != nil {
		return err
	}
	tr := tar.NewReader(stream)
	for {
		if ctx.Err() != nil {
			return fn.Errorf(fn.Canceled, "unpacking the source: %w", context.Cause(ctx))
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fn.Errorf(fn.Invalid, "the source is not a tar archive: %w", err)
		}
		if err := u.entry(h, tr); err != nil {
			return err
		}
	}
	if u.stats.Entries == 0 {
		return fn.Errorf(fn.Invalid, "the source archive is empty")
	}
	if err := u.checkLinks(); err != nil {
		return err
	}
	// The rest of the stream is read so that its limit and its end are seen.
	if _, err := io.Copy(io.Discard, stream); err != nil {
		return fn.Errorf(fn.Invalid, "reading the end of the source: %w", err)
	}
	return nil
}

// open tells gzip from plain tar by the first bytes.
func open(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := b.Peek(2); len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "the source is not a gzip stream: %w", err)
	}
	return z, nil
}

// entry writes one entry of the archive.
func (u *unpacker) entry(h *tar.Header, body io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	if u.stats.Entries++; u.stats.Entries > u.limits.Entries {
		return fn.Errorf(fn.TooLarge, "the source has more than %d entries", u.limits.Entries)
	}
	if name == "." {
		if h.Typeflag != tar.TypeDir {
			return refuse(h.Name, "is no folder, but names the source itself")
		}
		return nil
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(name)
	case tar.TypeReg:
		return u.file(name, h, body)
	case tar.TypeSymlink:
		return u.link(name, h.Linkname)
	case tar.TypeLink:
		return refuse(h.Name, "is a hard link")
	}
	return refuse(h.Name, "is neither a file, a folder nor a symbolic link")
}

func (u *unpacker) folder(name string) error {
	if err := u.parents(name); err != nil {
		return err
	}
	old, err := u.note(name, tar.TypeDir)
	if err != nil || old {
		return err
	}
	return u.made(u.root.Mkdir(name, 0o755))
}

func (u *unpacker) file(name string, h *tar.Header, body io.Reader) error {
	if err := u.parents(name); err != nil {
		return err
	}
	if _, err := u.note(name, tar.TypeReg); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if h.Mode&0o111 != 0 {
		mode = 0o755
	}
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return u.made(err)
	}
	if err := u.fill(f, name, body); err != nil {
		return errors.Join(err, f.Close())
	}
	u.stats.Files++
	// The umask may have cut the mode down.
	return u.made(errors.Join(f.Chmod(mode), f.Close()))
}

// fill copies a file's bytes under the limits.
func (u *unpacker) fill(f *os.File, name string, body io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		u.stats.Bytes += int64(n)
		switch {
		case u.stats.Bytes > u.limits.Bytes:
			return fn.Errorf(fn.TooLarge, "the source has more than %s unpacked", fn.FormatBytes(u.limits.Bytes))
		case u.stats.Bytes > ratioSlack && u.stats.Bytes-ratioSlack > u.in.n*u.limits.Ratio:
			return fn.Errorf(fn.TooLarge, "the source unpacks to more than %d times what was sent", u.limits.Ratio)
		}
		if _, werr := f.Write(buf[:n]); werr != nil {
			return fn.Errorf(fn.Internal, "writing %s: %w", name, werr)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fn.Errorf(fn.Invalid, "reading %s from the archive: %w", name, err)
		}
	}
}

func (u *unpacker) link(name, target string) error {
	if err := u.parents(name); err != nil {
		return err
	}
	if _, err := u.note(name, tar.TypeSymlink); err != nil {
		return err
	}
	if err := checkTarget(name, target); err != nil {
		return err
	}
	u.links = append(u.links, name)
	return u.made(u.root.Symlink(target, name))
}

// checkTarget refuses link targets that leave the tree when read as text.
func checkTarget(name, target string) error {
	switch {
	case target == "" || len(target) > maxPath || strings.ContainsFunc(target, unicode.IsControl) || !utf8.ValidString(target):
		return refuse(name, "is a link whose target is not a path")
	case path.IsAbs(target):
		return refuse(name, "is a link to an absolute path")
	case !fs.ValidPath(path.Join(path.Dir(name), target)):
		return refuse(name, "is a link that leaves the source")
	}
	return nil
}

// checkLinks follows every link with all of the tree in place: a chain of
// links can leave it although none does alone. One that leads nowhere is
// harmless.
func (u *unpacker) checkLinks() error {
	for _, name := range u.links {
		if _, err := u.root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return refuse(name, "is a link that cannot be followed inside the source")
		}
	}
	return nil
}

// parents makes the folders above name. A folder must be a real one: an
// entry below a link is refused.
func (u *unpacker) parents(name string) error {
	for i, c := range name {
		if c != '/' {
			continue
		}
		dir := name[:i]
		if old, ok := u.seen[fold(dir)]; ok && old.name == dir {
			if old.kind != tar.TypeDir {
				return refuse(name, "lies below "+dir+", which is no folder")
			}
			continue
		}
		if u.stats.Entries++; u.stats.Entries > u.limits.Entries {
			return fn.Errorf(fn.TooLarge, "the source has more than %d entries", u.limits.Entries)
		}
		if _, err := u.note(dir, tar.TypeDir); err != nil {
			return err
		}
		if err := u.made(u.root.Mkdir(dir, 0o755)); err != nil {
			return err
		}
	}
	return nil
}

// note remembers a name; it says whether the same folder was there already.
func (u *unpacker) note(name string, kind byte) (bool, error) {
	key := fold(name)
	old, ok := u.seen[key]
	switch {
	case !ok:
		u.seen[key] = entry{name, kind}
		return false, nil
	case old.name != name:
		return false, refuse(name, "differs from "+old.name+" in case only")
	case old.kind == tar.TypeDir && kind == tar.TypeDir:
		return true, nil
	}
	return false, refuse(name, "is in the archive twice")
}

func (u *unpacker) made(err error) error {
	if err == nil {
		return nil
	}
	return fn.Errorf(fn.Internal, "unpacking the source: %w", err)
}

// fold maps names that only differ in case to one; it maps each letter to
// the smallest of those it folds with.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

// cleanName returns an entry's name as a slash-separated path inside the
// tree, "." for the tree itself.
func cleanName(name string) (string, error) {
	if len(name) > maxPath || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, `\`) {
		return "", refuse(name, "is not a name a source may have")
	}
	if path.IsAbs(name) {
		return "", refuse(name, "is an absolute path")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", refuse(name, "leaves the source")
		}
		if len(part) > maxComponent {
			return "", refuse(name, "has too long a part")
		}
	}
	clean := path.Clean(name)
	if strings.Count(clean, "/") >= maxDepth {
		return "", refuse(name, "lies too deep")
	}
	return clean, nil
}

func refuse(name, why string) error {
	if len(name) > 120 {
		name = name[:117] + "..."
	}
	return fn.Errorf(fn.Invalid, "the source archive is refused: %q %s", name, why)
}

// counter counts what is read and ends with TooLarge at a limit.
type counter struct {
	r     io.Reader
	n     int64
	limit int64
	err   error // first error that is not the end
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.n > c.limit {
		err = fn.Errorf(fn.TooLarge, "the source archive has more than %s", fn.FormatBytes(c.limit))
	}
	if err != nil && !errors.Is(err, io.EOF) && c.err == nil {
		c.err = fmt.Errorf("reading the source: %w", err)
	}
	return n, err
}
