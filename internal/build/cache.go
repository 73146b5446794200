package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Cache answers with the artifact an equal request has made before, if it is
// still there. Equal requests that come together build once. keys is a folder
// of the cache's own; artifacts is where next keeps artifacts, each in a
// folder named by the hex digits of its digest.
func Cache(next Keyed, keys, artifacts string) Keyed {
	return &cache{next: next, keys: keys, artifacts: artifacts, busy: map[string]chan struct{}{}}
}

type cache struct {
	next            Keyed
	keys, artifacts string

	mu   sync.Mutex
	busy map[string]chan struct{} // guarded by mu: closed when the build of a key ends
}

func (c *cache) Key(ctx context.Context, req Request) (string, error) { return c.next.Key(ctx, req) }

func (c *cache) Build(ctx context.Context, req Request, progress func(Event)) (fn.Artifact, error) {
	began := time.Now()
	key, err := c.next.Key(ctx, req)
	if err != nil {
		return fn.Artifact{}, err
	}
	free, err := c.enter(ctx, key)
	if err != nil {
		return fn.Artifact{}, err
	}
	defer free()
	if a, ok := c.lookup(key); ok {
		progress(Event{Step: "build", Done: true, Cached: true, Took: time.Since(began)})
		return a, nil
	}
	a, err := c.next.Build(ctx, req, progress)
	if err != nil {
		return a, err
	}
	return a, c.remember(key, a)
}

// enter waits until nobody else builds key.
func (c *cache) enter(ctx context.Context, key string) (free func(), err error) {
	for {
		c.mu.Lock()
		other, taken := c.busy[key]
		if !taken {
			mine := make(chan struct{})
			c.busy[key] = mine
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				delete(c.busy, key)
				c.mu.Unlock()
				close(mine)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, fn.Errorf(fn.Canceled, "waiting for the same build to end: %w", context.Cause(ctx))
		}
	}
}

// lookup finds the artifact of a key. A damaged entry is no entry.
func (c *cache) lookup(key string) (fn.Artifact, bool) {
	var a fn.Artifact
	data, err := os.ReadFile(c.path(key))
	if err != nil || json.Unmarshal(data, &a) != nil {
		return a, false
	}
	hex, ok := strings.CutPrefix(a.Digest, "sha256:")
	if !ok || len(hex) != 64 || !filepath.IsLocal(hex) {
		return a, false
	}
	info, err := os.Stat(filepath.Join(c.artifacts, hex))
	return a, err == nil && info.IsDir()
}

// remember writes an entry. A power cut may lose it, which costs a build.
func (c *cache) remember(key string, a fn.Artifact) error {
	data, err := json.Marshal(a)
	if err != nil {
		return fn.Errorf(fn.Internal, "remembering a build: %w", err)
	}
	if err := os.MkdirAll(c.keys, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fn.Errorf(fn.Internal, "remembering a build: %w", err)
	}
	tmp := c.path(key) + ".new"
	if err := errors.Join(os.WriteFile(tmp, data, 0o600), os.Rename(tmp, c.path(key))); err != nil {
		return fmt.Errorf("remembering a build: %w", err)
	}
	return nil
}

func (c *cache) path(key string) string { return filepath.Join(c.keys, key+".json") }
