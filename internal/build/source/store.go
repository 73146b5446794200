package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Store keeps uploaded source archives until they are built. Methods may be
// called from several goroutines at once.
type Store struct {
	dir    string // archives, each named by the hex digits of its digest
	work   string // unpacked sources in use
	limits Limits
}

// NewStore makes a store in the folder dir, made if missing. What a killed
// server left unfinished there is removed.
func NewStore(dir string, limits Limits) (*Store, error) {
	s := &Store{dir: dir, work: filepath.Join(dir, "open"), limits: limits.withDefaults()}
	if err := os.RemoveAll(s.work); err != nil {
		return nil, fn.Errorf(fn.Internal, "opening the sources: %w", err)
	}
	if err := os.MkdirAll(s.work, 0o700); err != nil {
		return nil, fn.Errorf(fn.Internal, "opening the sources: %w", err)
	}
	stale, err := filepath.Glob(filepath.Join(dir, ".new-*"))
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "opening the sources: %w", err)
	}
	for _, name := range stale {
		if err := os.Remove(name); err != nil {
			return nil, fn.Errorf(fn.Internal, "opening the sources: %w", err)
		}
	}
	return s, nil
}

// Accept writes the archive in r to disk and returns its digest: "sha256:"
// and the hex SHA-256 of the bytes. It does not look inside. Errors: TooLarge
// over the limit; an error of r as it is. Nothing is kept after an error.
func (s *Store) Accept(ctx context.Context, r io.Reader) (string, error) {
	f, err := os.CreateTemp(s.dir, ".new-")
	if err != nil {
		return "", fn.Errorf(fn.Internal, "accepting a source: %w", err)
	}
	defer os.Remove(f.Name()) // gone already if all went well
	h := sha256.New()
	in := &counter{r: &untilDone{ctx, r}, limit: s.limits.Packed}
	_, err = io.Copy(io.MultiWriter(f, h), in)
	if err != nil {
		err = errors.Join(err, f.Close())
		if in.err != nil {
			return "", in.err
		}
		return "", fn.Errorf(fn.Internal, "accepting a source: %w", err)
	}
	name := hex.EncodeToString(h.Sum(nil))
	if err := errors.Join(f.Sync(), f.Close(), os.Rename(f.Name(), filepath.Join(s.dir, name))); err != nil {
		return "", fn.Errorf(fn.Internal, "accepting a source: %w", err)
	}
	return "sha256:" + name, nil
}

// Has says whether an archive is here.
func (s *Store) Has(digest string) (bool, error) {
	name, err := s.path(digest)
	if err != nil {
		return false, err
	}
	_, err = os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Opened is an unpacked source. Its owner closes it.
type Opened struct {
	Dir    string // folder with the files
	Digest string // of its content, see Digest
	Stats  Stats
}

// Close removes the folder.
func (o *Opened) Close() error { return os.RemoveAll(o.Dir) }

// Open unpacks an archive. Errors: NotFound, and those of Unpack.
func (s *Store) Open(ctx context.Context, digest string) (*Opened, error) {
	name, err := s.path(digest)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fn.WithHint(fn.Errorf(fn.NotFound, "there is no source %.80s", digest), "upload it again")
	}
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "opening a source: %w", err)
	}
	defer f.Close()
	dir, err := os.MkdirTemp(s.work, "source-")
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "opening a source: %w", err)
	}
	o := &Opened{Dir: dir}
	if o.Stats, err = Unpack(ctx, f, dir, s.limits); err == nil {
		o.Digest, _, err = Digest(dir)
	}
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// Prune removes archives that were accepted before a time, and returns how
// many.
func (s *Store) Prune(before time.Time) (int, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, fn.Errorf(fn.Internal, "pruning sources: %w", err)
	}
	n := 0
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !info.ModTime().Before(before) {
			continue // not ours, or gone meanwhile
		}
		if err := os.Remove(filepath.Join(s.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n, fn.Errorf(fn.Internal, "pruning sources: %w", err)
		}
		n++
	}
	return n, nil
}

// path returns the file of an archive.
func (s *Store) path(digest string) (string, error) {
	name, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(name) != 64 || strings.Trim(name, "0123456789abcdef") != "" {
		return "", fn.Errorf(fn.Invalid, "%.80q is not the digest of a source", digest)
	}
	return filepath.Join(s.dir, name), nil
}

// untilDone ends a stream when ctx does.
type untilDone struct {
	ctx context.Context // of the one call that owns this
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, fmt.Errorf("the upload was ended: %w", context.Cause(u.ctx))
	}
	return u.r.Read(p)
}
