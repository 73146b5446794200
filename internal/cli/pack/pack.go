package pack

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Archive is a packed folder in a temporary file. Close removes it.
type Archive struct {
	*os.File        // at its beginning
	Digest   string // "sha256:" and the hex SHA-256 of the file
	Size     int64  // bytes of the file
	Files    int    // files in it
	Ignored  int    // files and folders left out by patterns
	By       string // file the patterns are from; "" if none
}

// Close removes the archive.
func (a *Archive) Close() error { return errors.Join(a.File.Close(), os.Remove(a.Name())) }

// Folder packs dir. Errors that wrap fn.Invalid say what in the folder cannot
// be packed; all of it is reported at once.
func Folder(dir string) (*Archive, error) { return open(dir, readRules) }

// Context packs dir as a container build context: what is left out is what its
// .dockerignore says, if it has one, and nothing else.
func Context(dir string) (*Archive, error) { return open(dir, readDockerRules) }

// reader finds the patterns of a folder and names the file they are from.
type reader func(fs.FS) (patterns, string, error)

// patterns decide what is left out: of a folder that is, nothing is packed.
type patterns interface {
	ignored(name string, dir bool) bool
}

func open(dir string, read reader) (*Archive, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, openError(dir, err)
	}
	defer root.Close()
	out, err := os.CreateTemp("", "rouse-source-*.tar.gz")
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", dir, err)
	}
	a := &Archive{File: out}
	if err := a.write(root.FS(), read); err != nil {
		return nil, errors.Join(fmt.Errorf("packing %s: %w", dir, err), a.Close())
	}
	return a, nil
}

func openError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fn.WithHint(fn.Errorf(fn.NotFound, "there is no folder %s", dir), "name the folder with the function's source")
	case errors.Is(err, fs.ErrPermission):
		return fn.Errorf(fn.Denied, "the folder %s may not be read", dir)
	}
	return fn.Errorf(fn.Invalid, "opening %s: %w", dir, err)
}

func (a *Archive) write(fsys fs.FS, read reader) error {
	patterns, by, err := read(fsys)
	if err != nil {
		return err
	}
	a.By = by
	sum := sha256.New()
	zip, err := gzip.NewWriterLevel(io.MultiWriter(a.File, sum), gzip.BestSpeed)
	if err != nil {
		return err
	}
	w := &writer{Archive: a, fsys: fsys, tar: tar.NewWriter(zip)}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if patterns.ignored(name, d.IsDir()) {
			a.Ignored++
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return w.add(name, d)
	})
	if err := errors.Join(err, w.wrong.Err(), w.tar.Close(), zip.Close()); err != nil {
		return err
	}
	if a.Size, err = a.Seek(0, io.SeekCurrent); err != nil {
		return err
	}
	a.Digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	_, err = a.Seek(0, io.SeekStart)
	return err
}

// writer adds files to the archive and notes those it cannot.
type writer struct {
	*Archive
	fsys  fs.FS
	tar   *tar.Writer
	wrong fn.Mistakes
}

func (w *writer) add(name string, d fs.DirEntry) error {
	h := &tar.Header{Name: name, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	switch {
	case d.IsDir():
		h.Name, h.Typeflag, h.Mode = name+"/", tar.TypeDir, 0o755
		return w.tar.WriteHeader(h)
	case d.Type() == fs.ModeSymlink:
		return w.link(h)
	case !d.Type().IsRegular():
		w.wrong.Add(name, "is no file, folder or link: leave it out with %s", ignoreFile)
		return nil
	}
	w.Files++
	return w.file(h)
}

func (w *writer) file(h *tar.Header) error {
	f, err := w.fsys.Open(h.Name)
	if err != nil {
		w.wrong.Add(h.Name, "cannot be read: %v", err)
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&0o100 != 0 {
		h.Mode = 0o755
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	if n, err := io.Copy(w.tar, io.LimitReader(f, h.Size)); err != nil || n < h.Size {
		return fn.WithHint(fn.Errorf(fn.Conflict, "%s changed while it was read", h.Name), "try again")
	}
	return nil
}

// link keeps links that stay inside the folder.
func (w *writer) link(h *tar.Header) error {
	target, err := fs.ReadLink(w.fsys, h.Name)
	if err != nil {
		return err
	}
	end := path.Join(path.Dir(h.Name), target)
	if path.IsAbs(target) || end == ".." || strings.HasPrefix(end, "../") {
		w.wrong.Add(h.Name, "is a link to %s, outside the folder: copy what it leads to, or leave it out with %s", target, ignoreFile)
		return nil
	}
	h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, target, 0o777
	w.Files++
	return w.tar.WriteHeader(h)
}
