package steps

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/build/source"
	"rouse.dev/rouse/internal/fn"
)

// keep moves what was built to its place among the artifacts. It is durable
// when keep returns.
func (b *Builder) keep(w *work) (fn.Artifact, error) {
	program, built := w.plan.Program, w.at("source")
	if w.plan.Runtime.Artifact == "output" {
		built = w.at("out")
	}
	// A step may have put a link in the folder's place: never follow it.
	if info, err := os.Lstat(built); err != nil || !info.IsDir() {
		return fn.Artifact{}, fn.Errorf(fn.Invalid, "a build step has removed the folder it was to fill")
	}
	if err := normalise(built); err != nil {
		return fn.Artifact{}, err
	}
	tree, size, err := source.Digest(built)
	if err != nil {
		return fn.Artifact{}, err
	}
	if size > b.cfg.MaxArtifact {
		return fn.Artifact{}, fn.Errorf(fn.TooLarge, "what was built has %d bytes, at most %s are kept", size, fn.FormatBytes(b.cfg.MaxArtifact))
	}
	about, err := json.Marshal(struct {
		Tree    string
		Program fn.Program
	}{tree, program})
	if err != nil {
		return fn.Artifact{}, fn.Errorf(fn.Internal, "describing an artifact: %w", err)
	}
	sum := sha256.Sum256(about)
	name := hex.EncodeToString(sum[:])
	if err := b.place(built, filepath.Join(b.cfg.Artifacts, name)); err != nil {
		return fn.Artifact{}, fn.Errorf(fn.Internal, "keeping an artifact: %w", err)
	}
	return fn.Artifact{Digest: "sha256:" + name, Program: program, Size: size}, nil
}

// place renames a finished folder. Everything is on disk before the new name
// is, so that the name never stands for half an artifact.
func (b *Builder) place(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return nil // the same content was built before
	}
	dir, err := os.Open(b.cfg.Artifacts)
	if err != nil {
		return err
	}
	defer dir.Close()
	// One call for a tree of thousands of files, where an fsync each would
	// take seconds.
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	return dir.Sync()
}
