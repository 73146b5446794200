// Package pebble is the queue on this machine's disk.
//
// It keeps messages in a Pebble database of its own. One fsync serves all calls
// that came while the last one ran. What is not yet on disk is neither handed
// out nor reported. Leases live in memory: after a crash every message that was
// not settled is due again.
//
// Memory does not grow with the number of messages: a stream that holds some
// costs a few counters and a window of at most some hundred sequence numbers,
// an empty one nothing.
//
// A full disk is met before a message is accepted (see package pebbledb). Any other I/O
// error of the write-ahead log cannot be survived by a running process: it
// breaks the queue or ends the process, and the next start recovers what was
// acknowledged.
package pebble

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"rouse.dev/rouse/internal/pebbledb"
	"rouse.dev/rouse/internal/queue"
)

// Config is the queue's configuration. Zero fields mean the default.
type Config struct {
	Log      *slog.Logger // default: discard
	MaxBytes int64        // of heads and bodies held, default 8 GiB; more is fn.Exhausted
	MaxBody  int          // bytes of one body, default 16 MiB
	Cache    int64        // bytes of blocks and write buffers together, default 32 MiB; taken as needed
	MemTable uint64       // bytes a write buffer may grow to, default 8 MiB; there are up to four while the disk is slow
	Reserve  uint64       // messages are refused when the disk has fewer free bytes, default 64 MiB; outcomes below a quarter of it
	Ballast  int64        // bytes of a file that is given up when the disk is full, default 8 MiB; negative: none
	FS       vfs.FS       // default: the disk
}

// maxTotal bounds the heads and bodies of one Publish.
const maxTotal = 64 << 20

func (c Config) withDefaults() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = 8 << 30
	}
	if c.MaxBody == 0 {
		c.MaxBody = 16 << 20
	}
	if c.Cache == 0 {
		c.Cache = 32 << 20
	}
	if c.MemTable == 0 {
		c.MemTable = 8 << 20
	}
	if c.Reserve == 0 {
		c.Reserve = 64 << 20
	}
	if c.Ballast == 0 {
		c.Ballast = 8 << 20
	}
	return c
}

func (c Config) database() pebbledb.Config {
	return pebbledb.Config{
		Name: "queue", Safe: "what was accepted before is safe",
		Damaged: "move the folder away and keep it for analysis: the server then starts with an empty queue",
		Log:     c.Log, Cache: c.Cache, MemTable: c.MemTable, Files: 128,
		Reserve: c.Reserve, Ballast: c.Ballast, FS: c.FS,
	}
}

// Queue implements queue.Queue and queue.Keeper.
type Queue struct {
	db      *pebbledb.DB
	reserve uint64 // free bytes of the disk that a message needs
	limits  queue.Limits
	most    int64         // bytes held at most
	bytes   atomic.Int64  // of heads and bodies held or on their way to the disk
	wake    chan struct{} // holds one token if Due has something to look at
	shut    chan struct{} // closed by Close

	order    sync.Mutex // held from checking a batch until it has its place in the log; taken before mu
	seq      uint64     // guarded by order: the last one given out
	reserved uint64     // guarded by order: the log knows that numbers up to here may be in use
	newest   int64      // guarded by order: when the last message was published, so that their times do not run back

	mu      sync.Mutex
	air     []*flight          // guarded by mu: batches on their way to the disk, in the order of the log
	streams map[string]*stream // guarded by mu: those that hold messages
	ready   []*stream          // guarded by mu: what Due tells next
	clock   clock              // guarded by mu: leases that will pass, streams in which something will become due
	landed  uint64             // guarded by mu: messages published up to this number are on disk
	lease   uint64             // guarded by mu: the last one given out
	broken  error              // guarded by mu: why nothing can reach the disk any more
}

// Open opens the queue in folder path, and makes it if there is none. The folder
// must be used by one process only; package datadir sees to that. It takes about
// a second for a million messages.
func Open(path string, c Config) (*Queue, error) {
	c = c.withDefaults()
	db, err := pebbledb.Open(path, c.database())
	if err != nil {
		return nil, err
	}
	q := &Queue{
		db: db, reserve: c.Reserve, limits: queue.Limits{Body: c.MaxBody, Total: maxTotal}, most: c.MaxBytes,
		wake: make(chan struct{}, 1), shut: make(chan struct{}), streams: make(map[string]*stream),
		lease: rand.Uint64() >> 1, // no lease of an earlier life is taken for one of this
	}
	if err := q.load(); err != nil {
		return nil, errors.Join(pebbledb.OpenError(path, c.database(), err), db.Close(func() {}))
	}
	return q, nil
}

// Close ends the queue once running calls have returned.
func (q *Queue) Close() error {
	return q.db.Close(func() { close(q.shut) })
}

// forMessages and forOutcomes return fn.Exhausted if a write must not begin.
// Outcomes shrink the queue in the end: they may go on for longer.
func (q *Queue) forMessages() error { return q.db.Room(q.reserve) }
func (q *Queue) forOutcomes() error { return q.db.Room(q.reserve / 4) }

var (
	_ queue.Queue  = (*Queue)(nil)
	_ queue.Keeper = (*Queue)(nil)
	_ io.Closer    = (*Queue)(nil)
)
