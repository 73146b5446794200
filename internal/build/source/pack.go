package source

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// IgnoreFile lists what Pack leaves out: one pattern a line, matched against
// a path and against a name (path.Match); "#" begins a comment.
const IgnoreFile = ".rouseignore"

// ignored is left out always: what belongs to the author's machine.
var ignored = []string{".git", ".hg", ".svn", ".DS_Store", "__pycache__", "node_modules", ".venv", "venv", ".idea", ".vscode", ".rouse"}

// Pack writes the folder dir to w as a tar.gz that Unpack takes and whose
// bytes depend on names, contents and the executable bit alone. What cannot
// be in a source (sockets, devices) is an Invalid error.
func Pack(ctx context.Context, w io.Writer, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fn.Errorf(fn.NotFound, "opening the source folder: %w", err)
	}
	defer root.Close()
	patterns, err := readIgnore(root)
	if err != nil {
		return err
	}
	z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return fn.Errorf(fn.Internal, "packing: %w", err)
	}
	p := &packer{ctx: ctx, root: root, tw: tar.NewWriter(z), patterns: patterns}
	if err := fs.WalkDir(root.FS(), ".", p.visit); err != nil {
		return fmt.Errorf("packing %s: %w", dir, err)
	}
	if err := errors.Join(p.tw.Close(), z.Close()); err != nil {
		return fmt.Errorf("packing %s: %w", dir, err)
	}
	return nil
}

func readIgnore(root *os.Root) ([]string, error) {
	patterns := slices.Clone(ignored)
	f, err := root.Open(IgnoreFile)
	if errors.Is(err, fs.ErrNotExist) {
		return patterns, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", IgnoreFile, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", IgnoreFile, err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.Trim(strings.TrimSpace(line), "/")
		if line == "" || line[0] == '#' {
			continue
		}
		if _, err := path.Match(line, ""); err != nil {
			return nil, fn.Errorf(fn.Invalid, "%s: %q is not a pattern", IgnoreFile, line)
		}
		patterns = append(patterns, line)
	}
	return patterns, nil
}

// packer is one run of Pack; ctx is that call's.
type packer struct {
	ctx      context.Context
	root     *os.Root
	tw       *tar.Writer
	patterns []string
}

func (p *packer) visit(name string, e fs.DirEntry, err error) error {
	if err != nil || name == "." {
		return err
	}
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	if p.ignores(name) {
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	h := &tar.Header{Name: name, Mode: 0o644, Format: tar.FormatPAX}
	switch e.Type() {
	case fs.ModeDir:
		h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, name+"/"
		return p.tw.WriteHeader(h)
	case fs.ModeSymlink:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = p.root.Readlink(name); err != nil {
			return err
		}
		return p.tw.WriteHeader(h)
	case 0:
		return p.file(name, h)
	}
	return fn.Errorf(fn.Invalid, "%s is neither a file, a folder nor a link", name)
}

func (p *packer) file(name string, h *tar.Header) error {
	f, err := p.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if info.Mode()&0o111 != 0 {
		h.Mode = 0o755
	}
	if err := p.tw.WriteHeader(h); err != nil {
		return err
	}
	if _, err := io.CopyN(p.tw, f, h.Size); err != nil {
		return fn.Errorf(fn.Conflict, "%s changed while it was read: %w", name, err)
	}
	return nil
}

func (p *packer) ignores(name string) bool {
	base := path.Base(name)
	for _, pattern := range p.patterns {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
		if ok, _ := path.Match(pattern, base); ok {
			return true
		}
	}
	return false
}
