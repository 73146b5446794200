package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Timing of the end of a burst of events.
const (
	settle = 30 * time.Millisecond  // without an event
	most   = 300 * time.Millisecond // even with further ones
)

// Watcher watches folders. Its methods belong to one goroutine.
type Watcher struct {
	fs      *fsnotify.Watcher
	ignored func(root string, name string, dir bool) bool
	roots   []string
}

// New watches the folders roots and all below them, less what ignored (may be
// nil) says: it gets a root and the slash-separated path below it. A root may
// be a file, too.
func New(roots []string, ignored func(root, name string, dir bool) bool) (*Watcher, error) {
	if ignored == nil {
		ignored = func(string, string, bool) bool { return false }
	}
	f, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching files: %w", err)
	}
	w := &Watcher{fs: f, ignored: ignored, roots: roots}
	for _, root := range roots {
		if err := w.add(root, root); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return w, nil
}

// Close ends the watch.
func (w *Watcher) Close() error { return w.fs.Close() }

// add watches a folder and those below it. What goes while we look is no
// error.
func (w *Watcher) add(root, path string) error {
	return filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && p != root {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watching %s: %w", p, err)
		}
		if p != root && !d.IsDir() {
			return nil
		}
		if p != root && w.skip(root, p, true) {
			return fs.SkipDir
		}
		if err := w.fs.Add(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("watching %s: %w", p, err)
		}
		return nil
	})
}

func (w *Watcher) skip(root, path string, dir bool) bool {
	rel, err := filepath.Rel(root, path)
	return err != nil || rel != "." && w.ignored(root, filepath.ToSlash(rel), dir)
}

// Next waits until something has changed since the last call and the burst of
// events is over. It returns the cause of ctx if that ends first.
func (w *Watcher) Next(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case err := <-w.fs.Errors:
			if err != nil && !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watching files: %w", err)
			}
			return w.calm(ctx) // events were lost: something changed
		case e := <-w.fs.Events:
			if w.counts(e) {
				return w.calm(ctx)
			}
		}
	}
}

// calm waits for the end of a burst.
func (w *Watcher) calm(ctx context.Context) error {
	end := time.NewTimer(most)
	defer end.Stop()
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end.C:
			return nil
		case <-quiet.C:
			return nil
		case e := <-w.fs.Events:
			if w.counts(e) {
				quiet.Reset(settle)
			}
		}
	}
}

// counts says whether an event may be a change of content, and watches new
// folders.
func (w *Watcher) counts(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod || e.Name == "" {
		// The executable bit counts, other changes of mode make the same
		// archive again: cheap, and seldom.
		return e.Name != ""
	}
	for _, root := range w.roots {
		rel, err := filepath.Rel(root, e.Name)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		if w.skip(root, e.Name, false) {
			return false
		}
		if e.Has(fsnotify.Create) {
			_ = w.add(root, e.Name) // a file, or gone again
		}
	}
	return true
}
