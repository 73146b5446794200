package pebbledb

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rouse.dev/rouse/internal/fn"
)

// disk keeps a full disk away from the database, which cannot survive one while
// it writes its log. Two rings:
//
//   - a write is refused before it begins when the disk has less than the write
//     needs, which is at most reserve;
//   - should somebody else fill the disk between that check and the write, the
//     ballast file is removed, the database's write is tried again and finds
//     room, and all later writes are refused until the ballast is back.
type disk struct {
	inner   vfs.FS
	path    string // folder of the database
	reserve uint64 // bytes: enough for every kind of write
	ballast int64  // bytes; ≤ 0: none
	safe    string // for the hint of a refusal
	log     *slog.Logger

	full    atomic.Bool  // the ballast is given up
	checked atomic.Int64 // when the free space was last looked at, Unix nanoseconds; 0: never with success
	refill  sync.Mutex   // held while the ballast is being written
}

// checkEvery is how old an answer about free space may be.
const checkEvery = 10 * time.Millisecond

func newDisk(path string, c Config) *disk {
	return &disk{inner: c.FS, path: path, reserve: c.Reserve, ballast: c.Ballast, safe: c.Safe, log: c.Log}
}

// fs is what the database writes through.
func (d *disk) fs() vfs.FS { return vfs.OnDiskFull(d.inner, d.giveUp) }

func (d *disk) ballastPath() string { return d.inner.PathJoin(d.path, "ballast") }

// prepare makes the folder and the ballast. A disk that is full now is no error:
// the database opens and can be read.
func (d *disk) prepare() error {
	if err := d.inner.MkdirAll(d.path, 0o700); err != nil {
		return fn.Errorf(fn.Internal, "making its folder: %w", err)
	}
	if err := d.writeBallast(); err != nil {
		d.full.Store(true)
		d.log.Warn("database has no ballast against a full disk, writes are refused until it has", "error", err)
	}
	return nil
}

// giveUp runs when a write of the database finds the disk full.
func (d *disk) giveUp() {
	d.full.Store(true)
	err := d.inner.Remove(d.ballastPath())
	d.log.Error("the disk is full: writes are refused until there is space", "ballast_error", err)
}

// check returns fn.Exhausted if a write that needs so many free bytes must not
// begin.
func (d *disk) check(need uint64) error {
	now := time.Now().UnixNano()
	full := d.full.Load()
	if last := d.checked.Load(); !full && now-last >= 0 && now-last < int64(checkEvery) {
		return nil
	}
	free, known := d.free()
	least := need
	if full {
		least += uint64(max(d.ballast, 0)) // or writing the ballast would fill the disk again
	}
	if known && free < least {
		d.checked.Store(0)
		return d.refuse(free, need)
	}
	if full {
		if err := d.recover(); err != nil {
			return d.refuse(free, need)
		}
	}
	if !known || free >= d.reserve { // enough for every kind of write
		d.checked.Store(now)
	}
	return nil
}

func (d *disk) refuse(free, need uint64) error {
	return fn.WithHint(fn.Errorf(fn.Exhausted, "the disk under %s is full: %d bytes are free, %d must be", d.path, free, need),
		"free space on that disk; %s", d.safe)
}

// free returns the free bytes, and whether the file system tells.
func (d *disk) free() (uint64, bool) {
	usage, err := d.inner.GetDiskUsage(d.path)
	return usage.AvailBytes, err == nil
}

// recover brings the ballast back after the disk was full.
func (d *disk) recover() error {
	d.refill.Lock()
	defer d.refill.Unlock()
	if !d.full.Load() {
		return nil
	}
	if err := d.writeBallast(); err != nil {
		return err
	}
	d.full.Store(false)
	d.log.Info("the disk has space again: writes are taken")
	return nil
}

// writeBallast makes the file unless it is there in full length. It is written,
// not only made long, so that the disk really has to hold it.
func (d *disk) writeBallast() error {
	if d.ballast <= 0 {
		return nil
	}
	if info, err := d.inner.Stat(d.ballastPath()); err == nil && info.Size() == d.ballast {
		return nil
	}
	f, err := d.inner.Create(d.ballastPath(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.CopyN(writeOnly{f}, zeros{}, d.ballast)
	if err = errors.Join(err, f.Close()); err != nil {
		if rerr := d.inner.Remove(d.ballastPath()); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// writeOnly hides the other methods of a file from io.Copy.
type writeOnly struct{ io.Writer }
