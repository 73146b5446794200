package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"rouse.dev/rouse/internal/build/source"
	"rouse.dev/rouse/internal/fn"
)

// Sources keeps uploaded source archives, each named by its content.
type Sources struct {
	Dir    string        // folder of the archives
	Tmp    string        // folder for what is unpacked or not all here yet, on the file system of Dir; empty after a restart
	Limits source.Limits // of an unpacked source
}

// Source is an archive unpacked for one build.
type Source struct {
	Dir    string // the tree
	Digest string // of the tree's content
	kept   bool   // it is somebody else's: Close leaves it
}

// Close removes the unpacked tree.
func (s Source) Close() error {
	if s.kept {
		return nil
	}
	return os.RemoveAll(s.Dir)
}

const archiveSuffix = ".tar.gz"

// name is the file of an archive below Dir, or "" if digest is none.
func (s Sources) name(digest string) string {
	if !digestForm.MatchString(digest) {
		return ""
	}
	return strings.TrimPrefix(digest, "sha256:") + archiveSuffix
}

// Has reports whether an archive is here.
func (s Sources) Has(digest string) (bool, error) {
	name := s.name(digest)
	if name == "" {
		return false, nil
	}
	err := s.touch(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// touch keeps an archive from being collected as unused.
func (s Sources) touch(name string) error {
	now := time.Now()
	return os.Chtimes(filepath.Join(s.Dir, name), now, now)
}

// Accept streams an archive to disk and returns its digest. If r fails,
// nothing is kept.
func (s Sources) Accept(ctx context.Context, r io.Reader) (digest string, err error) {
	f, err := os.CreateTemp(s.Tmp, "upload-")
	if err != nil {
		return "", fn.Errorf(fn.Internal, "keeping the source: %w", err)
	}
	sum := sha256.New()
	if err := s.keep(ctx, f, sum, r); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	if err := os.Rename(f.Name(), filepath.Join(s.Dir, s.name(digest))); err != nil {
		return "", errors.Join(fn.Errorf(fn.Internal, "keeping the source: %w", err), os.Remove(f.Name()))
	}
	return digest, nil
}

func (s Sources) keep(ctx context.Context, f *os.File, sum hash.Hash, r io.Reader) error {
	defer f.Close()
	if _, err := io.Copy(io.MultiWriter(f, sum), r); err != nil {
		if ctx.Err() != nil {
			return fn.Errorf(fn.Canceled, "receiving the source: %w", context.Cause(ctx))
		}
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return fn.Errorf(fn.Exhausted, "writing the source to disk: %w", err)
		}
		return fmt.Errorf("receiving the source: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fn.Errorf(fn.Exhausted, "writing the source to disk: %w", err)
	}
	return f.Close()
}

// Open unpacks an archive into a folder of its own.
func (s Sources) Open(ctx context.Context, digest string) (Source, error) {
	f, err := s.open(digest)
	if err != nil {
		return Source{}, err
	}
	defer f.Close()
	dir := filepath.Join(s.Tmp, "source-"+strings.ToLower(rand.Text()))
	src, err := s.unpack(ctx, f, dir)
	if err != nil {
		return Source{}, errors.Join(err, os.RemoveAll(dir))
	}
	return src, nil
}

func (s Sources) open(digest string) (*os.File, error) {
	name := s.name(digest)
	if name == "" {
		return nil, noSource(digest)
	}
	_ = s.touch(name) // not vital
	f, err := os.Open(filepath.Join(s.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noSource(digest)
	}
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "reading the source: %w", err)
	}
	return f, nil
}

func noSource(digest string) error {
	return fn.WithHint(fn.Errorf(fn.NotFound, "there is no source %.80q", digest), "send it again: POST /v1/sources")
}

func (s Sources) unpack(ctx context.Context, r io.Reader, dir string) (Source, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Source{}, fn.Errorf(fn.Internal, "unpacking the source: %w", err)
	}
	if _, err := source.Unpack(ctx, r, dir, s.Limits); err != nil {
		return Source{}, fmt.Errorf("unpacking the source: %w", err)
	}
	digest, _, err := source.Digest(dir)
	if err != nil {
		return Source{}, fmt.Errorf("reading the unpacked source: %w", err)
	}
	return Source{Dir: dir, Digest: digest}, nil
}

// Collect removes archives nobody has used since before.
func (s Sources) Collect(before time.Time) error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil {
		return fmt.Errorf("listing sources: %w", err)
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // gone in the meantime
		}
		if info.ModTime().Before(before) {
			errs = append(errs, os.Remove(filepath.Join(s.Dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// HasSource says whether an accepted source is still here.
func (c *Controller) HasSource(_ context.Context, digest string) (bool, error) {
	return c.cfg.Sources.Has(digest)
}

// AcceptSource keeps a source archive and returns its digest.
func (c *Controller) AcceptSource(ctx context.Context, r io.Reader) (string, error) {
	return c.cfg.Sources.Accept(ctx, r)
}
