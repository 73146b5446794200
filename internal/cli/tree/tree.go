package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// Bounds of what one Copier copies.
const (
	MaxFiles = 100_000
	MaxBytes = 4 << 30
)

// bounds are MaxFiles and MaxBytes, or a test's.
type bounds struct {
	files int
	bytes int64
}

func (c *Copier) most() bounds {
	if c.bounds != nil {
		return *c.bounds
	}
	return bounds{MaxFiles, MaxBytes}
}

// Copier copies into To. Its zero counters say that nothing was copied yet;
// they go on from copy to copy.
type Copier struct {
	To    *os.Root
	Files int   // files and links there are for it, replaced ones counted once
	Bytes int64 // copied

	copied int // files and links, replaced ones too
	bounds *bounds
	wrong  fn.Mistakes
}

// Folder copies what lies in from into the folder to, which is made if it is
// not there. What lies at the same place already is replaced, folders are
// joined. skip may be nil; it is asked with paths relative to from. Links are
// copied as links and must stay in from. All that cannot be copied is told at
// once.
func (c *Copier) Folder(from *os.Root, to string, skip func(name string) bool) error {
	if err := c.folder(to); err != nil {
		return err
	}
	fsys := from.FS()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			c.wrong.Add(name, "cannot be read: %v", cause(err))
			return nil
		case name == ".":
			return nil
		case skip != nil && skip(name):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return c.entry(fsys, name, path.Join(to, name), d.Type())
	})
	if err == nil {
		err = c.wrong.Err()
	}
	c.wrong = nil
	return err
}

// Path copies one file or folder of from to the same path below to.
func (c *Copier) Path(from *os.Root, name, to string) error {
	info, err := from.Stat(name) // a link here is followed, inside of from
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fn.Errorf(fn.NotFound, "there is no %s in the project", name)
	case err != nil:
		return fn.Errorf(fn.Invalid, "%s cannot be copied: %v", name, cause(err))
	}
	target := path.Join(to, name)
	if info.IsDir() {
		sub, err := from.OpenRoot(name)
		if err != nil {
			return fn.Errorf(fn.Invalid, "%s cannot be copied: %v", name, cause(err))
		}
		defer sub.Close()
		return c.Folder(sub, target, nil)
	}
	if err := c.folder(path.Dir(target)); err != nil {
		return err
	}
	err = errors.Join(c.entry(from.FS(), name, target, info.Mode().Type()), c.wrong.Err())
	c.wrong = nil
	return err
}

// entry copies one file, folder or link.
func (c *Copier) entry(fsys fs.FS, name, to string, kind fs.FileMode) error {
	if kind.IsDir() {
		return c.folder(to)
	}
	c.copied++
	if most := c.most().files; c.copied > most {
		return fn.Errorf(fn.TooLarge, "more than %d files are to be copied", most)
	}
	if kind != 0 && kind != fs.ModeSymlink {
		c.wrong.Add(name, "is no file, folder or link")
		return nil
	}
	if _, err := c.To.Lstat(to); err != nil {
		c.Files++
	} else if err := c.To.RemoveAll(to); err != nil {
		return fmt.Errorf("replacing %s: %w", to, err)
	}
	if kind == fs.ModeSymlink {
		return c.link(fsys, name, to)
	}
	return c.file(fsys, name, to)
}

// folder makes a folder, and its parents, where there is none. A link in its
// place is taken away: what follows must not be written elsewhere.
func (c *Copier) folder(name string) error {
	at := ""
	for part := range strings.SplitSeq(path.Clean(name), "/") {
		if at = path.Join(at, part); at == "." {
			continue
		}
		info, err := c.To.Lstat(at)
		if err == nil && info.IsDir() {
			continue
		}
		if err == nil {
			err = c.To.Remove(at)
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = c.To.Mkdir(at, 0o755)
		}
		if err != nil {
			return fmt.Errorf("making the folder %s: %w", at, err)
		}
	}
	return nil
}

func (c *Copier) file(fsys fs.FS, name, to string) error {
	in, err := fsys.Open(name)
	if err != nil {
		c.wrong.Add(name, "cannot be read: %v", cause(err))
		return nil
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	out, err := c.To.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("writing %s: %w", to, err)
	}
	most := c.most().bytes
	n, err := io.Copy(out, io.LimitReader(in, most-c.Bytes+1))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copying %s: %w", name, err)
	}
	if c.Bytes += n; c.Bytes > most {
		return fn.Errorf(fn.TooLarge, "more than %s are to be copied", fn.FormatBytes(most))
	}
	return nil
}

func (c *Copier) link(fsys fs.FS, name, to string) error {
	target, err := fs.ReadLink(fsys, name)
	if err != nil {
		return fmt.Errorf("reading the link %s: %w", name, err)
	}
	end := path.Join(path.Dir(name), target)
	if path.IsAbs(target) || end == ".." || strings.HasPrefix(end, "../") {
		c.wrong.Add(name, "is a link to %s, outside its folder: copy what it leads to", target)
		return nil
	}
	if err := c.To.Symlink(target, to); err != nil {
		return fmt.Errorf("writing the link %s: %w", to, err)
	}
	return nil
}

// cause takes the path from a file error: it is told already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
