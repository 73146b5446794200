package datadir

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// unpacker unpacks the tar of a backup into a root that is empty. Everything in
// the tar is mistrusted: names, kinds, sizes, links, order. It is for one
// goroutine.
type unpacker struct {
	root       *os.Root
	maxBytes   int64
	maxMembers int

	members int
	bytes   int64
	format  int    // from the member of that name
	last    string // name of the member before
	sums    *bufio.Writer
	folders []folder // whose mode is set at the end
	links   []link   // made at the end, so that no member is written through one
}

type folder struct {
	name string
	mode os.FileMode
}

type link struct{ name, target string }

// sumsSeen is the file with the sums as we compute them.
const sumsSeen = "sums.seen"

func (u *unpacker) run(r *tar.Reader) error {
	seen, err := u.root.OpenFile(sumsSeen, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	defer seen.Close()
	u.sums = bufio.NewWriter(seen)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return damaged(err)
		}
		if err := u.member(header, r); err != nil {
			return err
		}
		u.last = header.Name
	}
	if u.last != memberSums {
		return fn.Errorf(fn.Invalid, "the backup does not end with %s", memberSums)
	}
	return u.finish(seen)
}

// member unpacks one. The first two and the last have their fixed places.
func (u *unpacker) member(h *tar.Header, r io.Reader) error {
	if u.members++; u.members > u.maxMembers {
		return fn.Errorf(fn.TooLarge, "the backup has more than %d files", u.maxMembers)
	}
	if h.Size < 0 || h.Size > u.maxBytes-u.bytes {
		return fn.Errorf(fn.TooLarge, "the backup has more than %d bytes", u.maxBytes)
	}
	u.bytes += h.Size
	want := ""
	switch {
	case u.members == 1:
		want = memberFormat
	case u.members == 2:
		want = memberObjects
	case u.last == memberSums:
		return fn.Errorf(fn.Invalid, "the backup goes on with %.80q after its end", h.Name)
	case h.Name == memberSums:
		want = memberSums
	}
	if want == "" {
		return u.artifact(h, r)
	}
	if h.Name != want || h.Typeflag != tar.TypeReg {
		return fn.Errorf(fn.Invalid, "the backup has %.80q where %s must be", h.Name, want)
	}
	return u.own(h, r)
}

// own unpacks a member that is ours to read: the format, the objects, the sums.
func (u *unpacker) own(h *tar.Header, r io.Reader) error {
	if err := u.file(h, r, 0o600); err != nil || h.Name != memberFormat {
		return err
	}
	version, err := readFormat(u.root)
	if err != nil {
		return err
	}
	u.format = version
	return u.root.Remove(formatFile) // it is written again when the folder is whole
}

func (u *unpacker) artifact(h *tar.Header, r io.Reader) error {
	name := h.Name
	if h.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
	}
	if err := checkName(name); err != nil {
		return err
	}
	if u.members == 3 { // the first artifact's place
		if err := u.makeArtifacts(); err != nil {
			return err
		}
	}
	mode := os.FileMode(h.Mode) & 0o777
	switch h.Typeflag {
	case tar.TypeDir:
		u.folders = append(u.folders, folder{name, mode | 0o700})
		return refuse(u.root.Mkdir(name, 0o700))
	case tar.TypeReg:
		return u.file(h, r, mode)
	case tar.TypeSymlink:
		_, inside := inArtifact(name)
		if inside == "" {
			return fn.Errorf(fn.Invalid, "the backup has the link %.80q in place of an artifact", name)
		}
		if err := CheckLink(inside, h.Linkname); err != nil {
			return err
		}
		u.links = append(u.links, link{name, h.Linkname})
		return nil
	}
	return fn.Errorf(fn.Invalid, "the backup has %.80q, which is no file, folder or symbolic link but of kind %q", name, h.Typeflag)
}

func (u *unpacker) makeArtifacts() error {
	if err := u.root.Mkdir(artifactsDir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	return nil
}

// refuse gives errors of a name that is there twice, or under something that is
// no folder, the kind of a bad backup. A full disk and its like keep theirs.
func refuse(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrExist), errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrInvalid), isNameError(err):
		return fn.Errorf(fn.Invalid, "the backup has a name that does not fit those before it: %w", err)
	}
	return fn.Errorf(fn.Internal, "%w", err)
}

// file writes a new file and notes its sum.
func (u *unpacker) file(h *tar.Header, r io.Reader, mode os.FileMode) error {
	f, err := u.root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return refuse(err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), readError{r})
	if err == nil && n != h.Size {
		err = fn.Errorf(fn.Invalid, "the backup is cut short in %.80q", h.Name)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// Interpreters compare the times of a source and its compiled form.
	if err := u.root.Chtimes(h.Name, time.Time{}, h.ModTime); err != nil {
		return refuse(err)
	}
	if h.Name == memberSums {
		return nil
	}
	_, err = u.sums.WriteString(sumLine(sum.Sum(nil), h.Name))
	return err
}

// readError tells errors of the archive from those of the disk.
type readError struct{ r io.Reader }

func (e readError) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damaged(err)
	}
	return n, err
}

// finish checks the sums, then makes the links and closes the folders.
func (u *unpacker) finish(seen *os.File) error {
	if err := u.sums.Flush(); err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	if err := u.compare(seen); err != nil {
		return err
	}
	if err := errors.Join(u.root.Remove(sumsSeen), u.root.Remove(memberSums)); err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	for _, l := range u.links {
		if err := u.root.Symlink(l.target, l.name); err != nil {
			return refuse(err)
		}
	}
	for i := len(u.folders) - 1; i >= 0; i-- { // the innermost first
		if err := u.root.Chmod(u.folders[i].name, u.folders[i].mode); err != nil {
			return fn.Errorf(fn.Internal, "%w", err)
		}
	}
	return nil
}

// compare compares the sums that the backup has with those we have seen.
func (u *unpacker) compare(seen *os.File) error {
	if _, err := rewind(seen); err != nil {
		return err
	}
	said, err := u.root.Open(memberSums)
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	defer said.Close()
	ours, theirs := bufio.NewReader(seen), bufio.NewReader(io.LimitReader(said, u.maxBytes))
	for {
		a, errA := readLine(ours)
		b, errB := readLine(theirs)
		for _, err := range [...]error{errA, errB} {
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("reading the sums: %w", err)
			}
		}
		if a != b {
			return fn.Errorf(fn.Invalid, "the backup is damaged: its sums say %.200q, its content is %.200q", b, a)
		}
		if errA != nil { // both ended: the lines are equal
			return nil
		}
	}
}

// readLine reads a line of at most twice the longest that is right.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for len(line) < 4*maxName {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return string(line), err
		}
	}
	return "", fn.Errorf(fn.Invalid, "a line is too long")
}
