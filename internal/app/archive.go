package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/datadir"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
)

// archive implements control.Archive on a data folder.
type archive struct {
	dir   *datadir.Dir
	store *pebble.Store
	log   *slog.Logger
}

// Backup implements control.Archive.
func (a archive) Backup(ctx context.Context, w io.Writer) error {
	return datadir.Backup(ctx, w, a.dir, a.store)
}

// Unpack implements control.Archive: it restores into a folder below tmp and
// reads the objects back.
func (a archive) Unpack(ctx context.Context, r io.Reader, validate func(store.Object) error) (u control.Unpacked, err error) {
	path := filepath.Join(a.dir.Tmp(), "restore-"+rand.Text())
	u.Close = func() error { return os.RemoveAll(path) }
	defer func() {
		if err != nil {
			err = errors.Join(err, u.Close())
		}
	}()
	sized := &sizedReader{r: r}
	err = datadir.Restore(ctx, sized, path, datadir.RestoreConfig{
		Open:     func(path string) (datadir.Loader, error) { return a.open(path) },
		Validate: validate,
	})
	if err != nil {
		return u, err
	}
	dir, err := datadir.Open(path)
	if err != nil {
		return u, err
	}
	u.Bytes, u.Artifacts = sized.n, dir.Artifacts()
	u.Objects, err = a.objects(ctx, dir.Store())
	return u, errors.Join(err, dir.Close())
}

func (a archive) open(path string) (*pebble.Store, error) {
	return pebble.Open(path, pebble.Config{Log: a.log})
}

// objects reads everything a restored store holds.
func (a archive) objects(ctx context.Context, path string) (all []store.Object, err error) {
	db, err := a.open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the restored store: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, kind := range control.Kinds() {
		objects, _, err := db.List(ctx, store.Query{Kind: kind})
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

// sizedReader counts what is read through it.
type sizedReader struct {
	r io.Reader
	n int64
}

func (s *sizedReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	return n, err
}
