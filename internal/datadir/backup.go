package datadir

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// Backup writes a copy of the folder's state to w while its server runs: the
// objects of the store as of one moment, and the artifacts. Passwords, logs,
// sources, running instances and what is queued are not in it: a call that was
// queued then and done since would be done again.
//
// Artifacts are not collected meanwhile (see CollectArtifacts), so those that
// the objects name are there. After an error what w has is refused by Restore.
func Backup(ctx context.Context, w io.Writer, d *Dir, snap store.Snapshotter) error {
	d.artifacts.RLock()
	defer d.artifacts.RUnlock()
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return fn.Errorf(fn.Internal, "backing up: %w", err)
	}
	defer root.Close()
	if err := backup(ctx, w, root, snap); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return nil
}

func backup(ctx context.Context, w io.Writer, root *os.Root, snap store.Snapshotter) error {
	sums, err := newSpool(root)
	if err != nil {
		return err
	}
	defer sums.Close()
	seal := newSealWriter(w)
	// One goroutine, one MiB of window: a backup runs beside the functions.
	packed, err := zstd.NewWriter(seal, zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	a := &archiver{root: root, tar: tar.NewWriter(packed), sums: bufio.NewWriter(sums)}
	if err := a.write(ctx, snap, sums); err != nil {
		return errors.Join(err, packed.Close())
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return seal.finish()
}

// newSpool makes a file in tmp that is gone when it is closed.
func newSpool(root *os.Root) (*os.File, error) {
	name := tmpDir + "/backup-" + strconv.Itoa(os.Getpid()) + "-" + randomName()
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "%w", err)
	}
	if err := root.Remove(name); err != nil {
		return nil, errors.Join(fn.Errorf(fn.Internal, "%w", err), f.Close())
	}
	return f, nil
}

// archiver writes the members of one backup. It is for one goroutine.
type archiver struct {
	root *os.Root
	tar  *tar.Writer
	sums *bufio.Writer
}

func (a *archiver) write(ctx context.Context, snap store.Snapshotter, sums *os.File) error {
	version, err := readFormat(a.root)
	if err != nil {
		return err
	}
	format := strconv.Itoa(version) + "\n"
	if err := a.file(ctx, plain(memberFormat, int64(len(format))), strings.NewReader(format)); err != nil {
		return err
	}
	if err := a.objects(ctx, snap); err != nil {
		return err
	}
	if err := a.artifacts(ctx); err != nil {
		return err
	}
	if err := a.sums.Flush(); err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	size, err := rewind(sums)
	if err != nil {
		return err
	}
	if err := a.tar.WriteHeader(plain(memberSums, size)); err != nil {
		return err
	}
	if err := copyAll(ctx, a.tar, sums, size); err != nil {
		return err
	}
	return a.tar.Close()
}

// plain is the header of a file that only this program reads.
func plain(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600}
}

// objects spools the snapshot first: a slow reader of the backup must not hold
// the store's snapshot open.
func (a *archiver) objects(ctx context.Context, snap store.Snapshotter) error {
	spool, err := newSpool(a.root)
	if err != nil {
		return err
	}
	defer spool.Close()
	if err := snap.Snapshot(ctx, spool); err != nil {
		return err
	}
	size, err := rewind(spool)
	if err != nil {
		return err
	}
	return a.file(ctx, plain(memberObjects, size), spool)
}

func rewind(f *os.File) (size int64, err error) {
	size, err = f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return 0, fn.Errorf(fn.Internal, "%w", err)
	}
	return size, nil
}

// artifacts writes what is below artifacts, folders before their content.
func (a *archiver) artifacts(ctx context.Context) error {
	return fs.WalkDir(a.root.FS(), memberArtifacts, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fn.Errorf(fn.Internal, "%w", err)
		}
		if name == memberArtifacts {
			return nil
		}
		return a.artifact(ctx, name, entry)
	})
}

func (a *archiver) artifact(ctx context.Context, name string, entry fs.DirEntry) error {
	id, inside := inArtifact(name)
	if strings.HasPrefix(id, ".") { // unfinished
		if entry.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	if err := checkName(name); err != nil {
		return err
	}
	info, err := entry.Info()
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	header := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX}
	switch {
	case info.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, name+"/"
		return a.tar.WriteHeader(header)
	case info.Mode().IsRegular():
		header.Typeflag, header.Size = tar.TypeReg, info.Size()
		return a.regular(ctx, header)
	case info.Mode().Type() == fs.ModeSymlink && inside != "":
		return a.link(header, inside)
	}
	return fn.WithHint(fn.Errorf(fn.Invalid, "%s is no file, folder or link but %s", name, info.Mode().Type()),
		"remove or deploy again the function whose artifact this is")
}

func (a *archiver) regular(ctx context.Context, header *tar.Header) error {
	f, err := a.root.OpenFile(header.Name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	defer f.Close()
	return a.file(ctx, header, f)
}

func (a *archiver) link(header *tar.Header, inside string) error {
	target, err := a.root.Readlink(header.Name)
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	if err := CheckLink(inside, target); err != nil {
		return fn.WithHint(fmt.Errorf("%s: %w", header.Name, err), "remove or deploy again the function whose artifact this is")
	}
	header.Typeflag, header.Linkname = tar.TypeSymlink, target
	return a.tar.WriteHeader(header)
}

// file writes a member and its sum.
func (a *archiver) file(ctx context.Context, header *tar.Header, content io.Reader) error {
	if err := a.tar.WriteHeader(header); err != nil {
		return err
	}
	sum := sha256.New()
	if err := copyAll(ctx, io.MultiWriter(a.tar, sum), content, header.Size); err != nil {
		return fmt.Errorf("copying %s: %w", header.Name, err)
	}
	_, err := a.sums.WriteString(sumLine(sum.Sum(nil), header.Name))
	return err
}

// copyAll copies exactly size bytes, until ctx ends.
func copyAll(ctx context.Context, w io.Writer, r io.Reader, size int64) error {
	n, err := io.Copy(w, until(ctx, io.LimitReader(r, size)))
	if err == nil && n < size {
		err = fn.Errorf(fn.Internal, "it shrank from %d bytes to %d", size, n)
	}
	return err
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// until is r, but ends with the cause when ctx ends.
func until(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return r.Read(p)
	})
}
