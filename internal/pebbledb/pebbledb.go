// Package pebbledb opens Pebble databases that live through a full disk.
//
// It is what the store's adapter shares with the queue's: the options of a small
// database, the check before a write, closing that waits for running calls. What
// the database holds, and how writes are put in order, is theirs.
//
// Nothing may use the database outside Enter and its leave.
package pebbledb

import (
	"context"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"rouse.dev/rouse/internal/fn"
)

// Config is a database's configuration. Only Log and FS have defaults.
type Config struct {
	Name     string       // what the database is to the operator, in errors: "store"
	Safe     string       // what a full disk does not touch, for the hint: "reading still works"
	Damaged  string       // what to do about a damaged database, for the hint
	Log      *slog.Logger // default: discard
	Cache    int64        // bytes of blocks and write buffers together
	MemTable uint64       // bytes of a write buffer; there are up to four while the disk is slow
	Files    int          // files of the database held open
	Reserve  uint64       // free bytes of the disk that are enough for every kind of write
	Ballast  int64        // bytes of a file that is given up when the disk is full; ≤ 0: none
	FS       vfs.FS       // default: the disk
}

// DB is an open database.
type DB struct {
	*pebble.DB
	conf Config
	disk *disk
	gate gate // calls that use the database
}

// Open opens the database in folder path, and makes it if there is none. The
// folder must be used by one process only.
func Open(path string, c Config) (*DB, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	c.Log = c.Log.With("path", path)
	d := &DB{conf: c, disk: newDisk(path, c)}
	if err := d.disk.prepare(); err != nil {
		return nil, OpenError(path, c, err)
	}
	db, err := pebble.Open(path, options(c, d.disk.fs()))
	if err != nil {
		return nil, OpenError(path, c, err)
	}
	d.DB = db
	return d, nil
}

// OpenError says what an operator can do about a database that does not open. It
// is for what the caller reads right after Open, too.
func OpenError(path string, c Config, err error) error {
	if pebble.IsCorruptionError(err) {
		return fn.WithHint(fn.Errorf(fn.Internal, "opening the %s in %s: it is damaged: %w", c.Name, path, err), "%s", c.Damaged)
	}
	return fn.Errorf(fn.Internal, "opening the %s in %s: %w", c.Name, path, err)
}

// Room returns fn.Exhausted if the disk has fewer than need bytes free, so that
// a write must not begin. need is at most Config.Reserve.
func (d *DB) Room(need uint64) error { return d.disk.check(need) }

// Enter begins a call that uses the database; leave must end it.
func (d *DB) Enter(ctx context.Context) (leave func(), err error) {
	if !d.gate.enter() {
		return nil, d.ErrClosed()
	}
	if ctx.Err() != nil {
		d.gate.leave()
		return nil, context.Cause(ctx)
	}
	return d.gate.leave, nil
}

// ErrClosed is the answer to calls after Close.
func (d *DB) ErrClosed() error { return fn.Errorf(fn.Unavailable, "the %s is closed", d.conf.Name) }

// Close lets no more calls in, runs release to end those that wait, and closes
// the database once all have left. The second Close does nothing.
func (d *DB) Close(release func()) error {
	if !d.gate.shut() {
		return nil
	}
	release()
	d.gate.wait()
	if err := d.DB.Close(); err != nil {
		return fn.Errorf(fn.Internal, "closing the %s: %w", d.conf.Name, err)
	}
	return nil
}
