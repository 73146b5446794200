package pebble

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
//   - a message is refused when the disk has less than reserve, and what shrinks
//     the queue in the end (outcomes) when it has less than a quarter of that;
//   - should somebody else fill the disk between that check and the write, the
//     ballast file is removed, the database's write is tried again and finds
//     room, and all later writes are refused until the ballast is back.
type disk struct {
	inner   vfs.FS
	path    string // folder of the queue
	reserve uint64 // bytes
	ballast int64  // bytes; ≤ 0: none
	log     *slog.Logger

	full    atomic.Bool  // the ballast is given up
	checked atomic.Int64 // when the free space was last looked at, Unix nanoseconds; 0: never with success
	refill  sync.Mutex   // held while the ballast is being written
}

// checkEvery is how old an answer about free space may be.
const checkEvery = 10 * time.Millisecond

func newDisk(path string, c Config) *disk {
	return &disk{inner: c.FS, path: path, reserve: c.Reserve, ballast: c.Ballast, log: c.Log}
}

// fs is what the database writes through.
func (d *disk) fs() vfs.FS { return vfs.OnDiskFull(d.inner, d.giveUp) }

func (d *disk) ballastPath() string { return d.inner.PathJoin(d.path, "ballast") }

// prepare makes the folder and the ballast. A disk that is full now is no error:
// the queue opens and can be read.
func (d *disk) prepare() error {
	if err := d.inner.MkdirAll(d.path, 0o700); err != nil {
		return fn.Errorf(fn.Internal, "making its folder: %w", err)
	}
	if err := d.writeBallast(); err != nil {
		d.full.Store(true)
		d.log.Warn("queue has no ballast against a full disk, it takes nothing until it has", "error", err)
	}
	return nil
}

// giveUp runs when a write of the database finds the disk full.
func (d *disk) giveUp() {
	d.full.Store(true)
	err := d.inner.Remove(d.ballastPath())
	d.log.Error("the disk is full: the queue takes nothing until there is space", "path", d.path, "ballast_error", err)
}

// forMessages and forOutcomes return fn.Exhausted if a write must not begin.
func (d *disk) forMessages() error { return d.check(d.reserve) }
func (d *disk) forOutcomes() error { return d.check(d.reserve / 4) }

// check is for a write that leaves at least need bytes free.
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
		"free space on that disk; what was accepted before is safe")
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
	d.log.Info("the disk has space again: the queue takes messages", "path", d.path)
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
