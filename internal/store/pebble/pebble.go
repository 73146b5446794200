// Package pebble is the store on this machine's disk.
//
// It keeps objects in one Pebble database. Writers are put in order one after
// the other, but wait for the disk together: one fsync serves all that came
// while the last one ran. Reads never return what is not yet on disk.
//
// It is not for large or many-megabyte values: its memory is kept small (12 MiB
// of blocks and write buffers) because one server's desired state is.
//
// A full disk is met before a write is accepted (see package pebbledb). Any other I/O error
// of the write-ahead log cannot be survived by a running process: it breaks the
// store or ends the process, and the next start recovers what was acknowledged.
package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rouse.dev/rouse/internal/pebbledb"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/changelog"
)

// Config is the store's configuration. Zero fields mean the default.
type Config struct {
	Log      *slog.Logger     // default: discard
	Watch    changelog.Config // what watches may fall behind by
	Cache    int64            // bytes of blocks and write buffers together, default 12 MiB
	MemTable uint64           // bytes of a write buffer, default 4 MiB; there are up to four while the disk is slow
	Reserve  uint64           // writes are refused when the disk has fewer free bytes, default 32 MiB
	Ballast  int64            // bytes of a file that is given up when the disk is full, default 8 MiB; negative: none
	FS       vfs.FS           // default: the disk
}

func (c Config) withDefaults() Config {
	if c.Cache == 0 {
		c.Cache = 12 << 20
	}
	if c.MemTable == 0 {
		c.MemTable = 4 << 20
	}
	if c.Reserve == 0 {
		c.Reserve = 32 << 20
	}
	if c.Ballast == 0 {
		c.Ballast = 8 << 20
	}
	return c
}

func (c Config) database() pebbledb.Config {
	return pebbledb.Config{
		Name: "store", Safe: "nothing was changed, and reading still works",
		Damaged: "keep the folder for analysis, and restore the last backup into a new one with rouse restore",
		Log:     c.Log, Cache: c.Cache, MemTable: c.MemTable, Files: 256,
		Reserve: c.Reserve, Ballast: c.Ballast, FS: c.FS,
	}
}

// Store implements store.Store, store.Snapshotter and store.Loader.
type Store struct {
	db      *pebbledb.DB
	reserve uint64         // free bytes of the disk that every write needs
	log     *changelog.Log // its version is the newest one that is on disk
	air     flights        // writes on their way to the disk

	order sync.Mutex // held from checking a batch until it has its place in the log
	next  uint64     // guarded by order: the last version given out
}

// Open opens the store in folder path, and makes it if there is none. The folder
// must be used by one process only; package datadir sees to that.
func Open(path string, c Config) (*Store, error) {
	c = c.withDefaults()
	db, err := pebbledb.Open(path, c.database())
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, reserve: c.Reserve}
	if s.next, err = readVersion(db); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store in %s: %w", path, err), db.Close(func() {}))
	}
	s.log = changelog.New(c.Watch, s.next)
	s.air.init(s.log)
	return s, nil
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, q store.Query, from uint64) iter.Seq2[store.Event, error] {
	return s.log.Watch(ctx, q, from)
}

// Close implements store.Store.
func (s *Store) Close() error {
	return s.db.Close(func() { s.log.Close(s.db.ErrClosed()) })
}

var (
	_ store.Store       = (*Store)(nil)
	_ store.Snapshotter = (*Store)(nil)
	_ store.Loader      = (*Store)(nil)
	_ io.Closer         = (*Store)(nil)
)
