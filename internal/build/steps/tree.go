package steps

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/fn"
)

// copyTree copies files, folders and links from one folder into another.
func copyTree(from, to string) error {
	src, err := os.OpenRoot(from)
	if err != nil {
		return fn.Errorf(fn.Internal, "opening the source: %w", err)
	}
	defer src.Close()
	dst, err := os.OpenRoot(to)
	if err != nil {
		return fn.Errorf(fn.Internal, "opening a build's folder: %w", err)
	}
	defer dst.Close()
	err = fs.WalkDir(src.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		switch e.Type() {
		case fs.ModeDir:
			return dst.Mkdir(name, 0o755)
		case fs.ModeSymlink:
			target, err := src.Readlink(name)
			if err != nil {
				return err
			}
			return dst.Symlink(target, name)
		case 0:
			return copyFile(src, dst, name)
		}
		return fn.Errorf(fn.Invalid, "%s is neither a file, a folder nor a link", name)
	})
	if err != nil {
		return fmt.Errorf("copying the source: %w", err)
	}
	return nil
}

func copyFile(src, dst *os.Root, name string) error {
	in, err := src.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := dst.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Chmod(normal(info.Mode())), out.Close())
}

// normal is the mode a file of an artifact has.
func normal(m fs.FileMode) fs.FileMode {
	if m.IsDir() || m&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

// normalise gives a finished tree to this process's user, with plain modes.
// What a step may have left that is no file, folder or link is removed; a link
// that no backup could hold is refused, or one function's build would stop the
// backups of all. No step runs any more, so nothing changes under the walk.
func normalise(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fn.Errorf(fn.Internal, "opening what was built: %w", err)
	}
	defer root.Close()
	uid, gid := os.Geteuid(), os.Getegid()
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := root.Lstat(name)
		if err != nil {
			return err
		}
		switch e.Type() {
		case fs.ModeSymlink:
			return errors.Join(checkLink(root, name), root.Lchown(name, uid, gid))
		case 0, fs.ModeDir:
			if err := root.Lchown(name, uid, gid); err != nil {
				return err
			}
			return root.Chmod(name, normal(info.Mode()))
		}
		return root.Remove(name)
	})
	switch {
	case errors.Is(err, fn.Invalid):
		return err
	case err != nil:
		return fn.Errorf(fn.Internal, "taking over what was built: %w", err)
	}
	return nil
}

func checkLink(root *os.Root, name string) error {
	target, err := root.Readlink(name)
	if err != nil {
		return err
	}
	return fn.WithHint(datadir.CheckLink(name, target), "have the build make the link relative and keep it inside the function, or copy what it points to")
}

// measure adds up the bytes of the files below dir as far as they can be
// seen; files that vanish meanwhile are fine.
func measure(dir string) int64 {
	var total int64
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0
	}
	defer root.Close()
	_ = fs.WalkDir(root.FS(), ".", func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		total += 4096 // what the entry itself costs, so that empty files count
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}
