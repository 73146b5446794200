package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rouse.dev/rouse/internal/build/source"
	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/fn"
)

// keepTree unpacks an accepted source to a place among the artifacts, where it
// is backed up, and collected once no image names it. It is durable when
// keepTree returns. The caller is inside the gate until the image is stored.
func (c *Controller) keepTree(ctx context.Context, digest string) (tree string, err error) {
	src, err := c.cfg.Sources.Open(ctx, digest)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if err := checkLinks(src.Dir); err != nil {
		return "", err
	}
	to, err := c.artifactDir(src.Digest)
	if err != nil {
		return "", err
	}
	if err := os.Chmod(src.Dir, 0o755); err != nil {
		return "", fn.Errorf(fn.Internal, "keeping the source: %w", err)
	}
	if err := syncTree(src.Dir); err != nil {
		return "", fn.Errorf(fn.Internal, "keeping the source: %w", err)
	}
	if err := os.Rename(src.Dir, to); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fn.Errorf(fn.Internal, "keeping the source: %w", err)
	}
	return src.Digest, syncFolder(c.cfg.Artifacts)
}

// checkLinks refuses the links a backup would refuse.
func checkLinks(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fn.Errorf(fn.Internal, "reading the source: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type() != fs.ModeSymlink {
			return err
		}
		target, err := root.Readlink(name)
		if err != nil {
			return err
		}
		return datadir.CheckLink(name, target)
	})
}

// syncTree writes files and folders to disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type() != 0 && !e.IsDir() {
			return err
		}
		return syncFolder(name)
	})
}

// bundleSource opens the source of a bundle that has to be built.
func (c *Controller) bundleSource(b Bundle) (Source, error) {
	if b.Files != nil {
		return c.cfg.Sources.Lay(b.Files)
	}
	dir, err := c.artifactDir(b.Tree)
	if err != nil {
		return Source{}, err
	}
	if _, err := os.Stat(dir); err != nil {
		return Source{}, fn.WithHint(fn.Errorf(fn.Conflict, "the source of the image is gone: the image was changed meanwhile"), "deploy again")
	}
	return Source{Dir: dir, Digest: b.Tree, kept: true}, nil
}

// Lay writes the files of fsys into a folder of their own.
func (s Sources) Lay(fsys fs.FS) (Source, error) {
	dir := filepath.Join(s.Tmp, "source-"+strings.ToLower(rand.Text()))
	src, err := lay(dir, fsys)
	if err != nil {
		return Source{}, errors.Join(fn.Errorf(fn.Internal, "laying out a source: %w", err), os.RemoveAll(dir))
	}
	return src, nil
}

func lay(dir string, fsys fs.FS) (Source, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Source{}, err
	}
	if err := os.CopyFS(dir, fsys); err != nil {
		return Source{}, err
	}
	digest, _, err := source.Digest(dir)
	if err != nil {
		return Source{}, fmt.Errorf("reading it back: %w", err)
	}
	return Source{Dir: dir, Digest: digest}, nil
}
