package build

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// MaxRecord is the most bytes of one build's output that are kept.
const MaxRecord = 8 << 20

// maxVerdict is the part of MaxRecord that is kept free for how a build ended.
const maxVerdict = 128 << 10

// Recorder keeps the whole output of each function's last build, whether it
// worked or not.
type Recorder struct {
	next Builder
	dir  string // one folder for each namespace, one file for each function
}

// Record decorates next. dir is a folder of the recorder's own.
func Record(next Builder, dir string) *Recorder { return &Recorder{next: next, dir: dir} }

// Build implements Builder.
func (r *Recorder) Build(ctx context.Context, req Request, progress func(Event)) (fn.Artifact, error) {
	began := time.Now()
	dir := filepath.Join(r.dir, req.Ref.Namespace)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fn.Artifact{}, fn.Errorf(fn.Internal, "recording a build: %w", err)
	}
	f, err := os.CreateTemp(dir, ".new-")
	if err != nil {
		return fn.Artifact{}, fn.Errorf(fn.Internal, "recording a build: %w", err)
	}
	w := &bounded{w: bufio.NewWriter(f), left: MaxRecord - maxVerdict}
	fmt.Fprintf(w, "%s built at %s from %s\n", req.Ref, began.UTC().Format(time.RFC3339), req.SourceDigest)
	artifact, buildErr := r.next.Build(ctx, req, func(e Event) {
		w.event(e)
		progress(e)
	})
	w.left = maxVerdict - 1<<10 // the rest is for remarks of what is not kept
	if buildErr != nil {
		fmt.Fprintf(w, "failed after %s: %v\n", time.Since(began).Round(time.Millisecond), buildErr)
	} else {
		fmt.Fprintf(w, "made %s in %s\n", artifact.Digest, time.Since(began).Round(time.Millisecond))
	}
	err = errors.Join(w.w.Flush(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), r.path(req.Ref))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // may have been renamed
		err = fn.Errorf(fn.Internal, "recording a build: %w", err)
	}
	return artifact, errors.Join(buildErr, err)
}

// Last opens the output of a function's last build, at most MaxRecord bytes;
// NotFound if there was none. The caller closes it.
func (r *Recorder) Last(ref fn.Ref) (io.ReadCloser, error) {
	f, err := os.Open(r.path(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fn.Errorf(fn.NotFound, "no build of %s is on record", ref)
	}
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "opening a build record: %w", err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, MaxRecord), f}, nil
}

// Forget removes a function's record; one that is not there is fine.
func (r *Recorder) Forget(ref fn.Ref) error {
	if err := os.Remove(r.path(ref)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fn.Errorf(fn.Internal, "removing a build record: %w", err)
	}
	return nil
}

// ForgetNamespace removes the records of all functions of a namespace, also of
// those whose builds never worked.
func (r *Recorder) ForgetNamespace(name string) error {
	if err := os.RemoveAll(filepath.Join(r.dir, name)); err != nil {
		return fn.Errorf(fn.Internal, "removing build records: %w", err)
	}
	return nil
}

// path is safe because both names are validated labels.
func (r *Recorder) path(ref fn.Ref) string {
	return filepath.Join(r.dir, ref.Namespace, ref.Name+".log")
}

// bounded drops what is beyond its bound and says so once.
type bounded struct {
	w    *bufio.Writer
	left int
}

func (b *bounded) event(e Event) {
	switch {
	case e.Cached:
		fmt.Fprintf(b, "%s: nothing to do\n", e.Step)
	case e.Done:
		fmt.Fprintf(b, "%s: done in %s\n", e.Step, e.Took.Round(time.Millisecond))
	case e.Line == "":
		fmt.Fprintf(b, "%s:\n", e.Step)
	default:
		fmt.Fprintf(b, "  %s\n", e.Line)
	}
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(p) > b.left {
		if b.left > 0 {
			b.left = 0
			_, err := b.w.WriteString("… the rest is not kept\n")
			return len(p), err
		}
		return len(p), nil
	}
	b.left -= len(p)
	return b.w.Write(p)
}
