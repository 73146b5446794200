package steps

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// watch ends ctx with errTooBig when a build has too much on disk. stop ends
// the watching and waits for it; calling it twice is fine.
func (b *Builder) watch(ctx context.Context, w *work) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(b.cfg.Watch)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if measure(w.build)+measure(w.cache) > b.cfg.MaxWork {
					cancel(errTooBig)
					return
				}
			case <-quit:
				return
			}
		}
	})
	return ctx, sync.OnceFunc(func() {
		close(quit)
		wg.Wait()
		cancel(nil)
	})
}

// shrink empties a cache that has grown over half of what a build may have.
// Builds that use it at this moment download again.
func (b *Builder) shrink(cache string) error {
	if measure(cache) <= b.cfg.MaxWork/2 {
		return nil
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		return fn.Errorf(fn.Internal, "emptying a build cache: %w", err)
	}
	for _, e := range entries {
		if err := removeAll(filepath.Join(cache, e.Name())); err != nil {
			return fn.Errorf(fn.Internal, "emptying a build cache: %w", err)
		}
	}
	return nil
}

// removeAll removes a tree, also one with folders its author has closed.
func removeAll(dir string) error {
	first := os.RemoveAll(dir)
	if first == nil {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return errors.Join(first, err)
	}
	defer root.Close()
	_ = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			_ = root.Chmod(name, 0o700) // the second try tells
		}
		return nil
	})
	return os.RemoveAll(dir)
}
