package source

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"io/fs"
	"os"

	"rouse.dev/rouse/internal/fn"
)

// Digest names the tree at dir by its content: names, bytes, link targets,
// and whether a file may be executed. Owners, times and other mode bits do
// not count. It returns "sha256:" and hex, and the size of all files in bytes.
func Digest(dir string) (string, int64, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", 0, fn.Errorf(fn.Internal, "opening the tree: %w", err)
	}
	defer root.Close()
	d := &digester{root: root, h: sha256.New(), buf: make([]byte, 64<<10)}
	// WalkDir goes in lexical order, folder by folder.
	if err := fs.WalkDir(root.FS(), ".", d.visit); err != nil {
		return "", 0, fn.Errorf(fn.Internal, "reading the tree: %w", err)
	}
	return "sha256:" + hex.EncodeToString(d.h.Sum(nil)), d.size, nil
}

// digester is one run of Digest.
type digester struct {
	root *os.Root
	h    hash.Hash
	buf  []byte
	size int64
}

func (d *digester) visit(name string, e fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	switch e.Type() {
	case 0:
		return d.file(name)
	case fs.ModeDir:
		d.head('d', name, 0)
	case fs.ModeSymlink:
		target, err := d.root.Readlink(name)
		if err != nil {
			return err
		}
		d.head('l', name, int64(len(target)))
		d.h.Write([]byte(target))
	default:
		return fn.Errorf(fn.Invalid, "%s is neither a file, a folder nor a link", name)
	}
	return nil
}

func (d *digester) file(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	kind := byte('f')
	if info.Mode()&0o111 != 0 {
		kind = 'x'
	}
	d.head(kind, name, info.Size())
	n, err := io.CopyBuffer(d.h, io.LimitReader(f, info.Size()), d.buf)
	d.size += n
	if err == nil && n != info.Size() {
		return fn.Errorf(fn.Conflict, "%s changed while it was read", name)
	}
	return err
}

// head writes one entry's kind, name and length so that no two trees give
// the same bytes.
func (d *digester) head(kind byte, name string, length int64) {
	var b [13]byte
	b[0] = kind
	binary.BigEndian.PutUint32(b[1:], uint32(len(name)))
	binary.BigEndian.PutUint64(b[5:], uint64(length))
	d.h.Write(b[:])
	d.h.Write([]byte(name))
}
