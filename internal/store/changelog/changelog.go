// Package changelog is the part of a store that remembers its last changes for
// watchers.
//
// A Log is a window of bounded length and size: watchers read it at their own
// pace and are told to list again when they fall out of it, so none of them can
// hold up a writer or make the log grow. It starts no goroutine. It is not for
// durability: a log begins empty each time a store is opened.
package changelog

import (
	"context"
	"slices"
	"sync"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// Config bounds the window. Zero fields mean the default.
type Config struct {
	Events int // changes remembered, 4096 by default
	Bytes  int // labels and values remembered, 4 MiB by default; the last change is always kept
}

func (c Config) withDefaults() Config {
	if c.Events <= 0 {
		c.Events = 4096
	}
	if c.Bytes <= 0 {
		c.Bytes = 4 << 20
	}
	return c
}

// Change is one published write.
type Change struct {
	store.Event

	// Before is the object as it was, when the write changed its labels; else
	// nil. Watches that selected it before need it.
	Before *store.Object
}

func (c *Change) size() int {
	n := c.Object.Size()
	if c.Before != nil {
		n += c.Before.Size()
	}
	return n
}

// Log is the window. Its methods may be called from several goroutines.
type Log struct {
	conf Config

	mu      sync.Mutex
	window  []*Change     // guarded by mu: versions grow; the pointees never change
	bytes   int           // guarded by mu: sum of size over window
	floor   uint64        // guarded by mu: watches from below it have missed something
	last    uint64        // guarded by mu: version of the newest published write
	closed  error         // guarded by mu: set once, by Close
	changed chan struct{} // guarded by mu: closed at the next publish; nil while nobody waits
}

// New returns the log of a store that is at version.
func New(c Config, version uint64) *Log {
	return &Log{conf: c.withDefaults(), floor: version, last: version}
}

// Publish appends changes, whose versions grow and are above all published
// before. The log keeps them: the caller must not change them any more.
func (l *Log) Publish(changes ...*Change) {
	if len(changes) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window = append(l.window, changes...)
	l.last = changes[len(changes)-1].Version
	for _, c := range changes {
		l.bytes += c.size()
	}
	l.trimLocked()
	l.wakeLocked()
}

func (l *Log) trimLocked() {
	drop := 0
	for left := len(l.window); left > 1 && (left > l.conf.Events || l.bytes > l.conf.Bytes); left-- {
		l.bytes -= l.window[drop].size()
		drop++
	}
	if drop == 0 {
		return
	}
	l.floor = l.window[drop-1].Version
	clear(l.window[:drop]) // the array lives on until append outgrows it
	l.window = l.window[drop:]
}

func (l *Log) wakeLocked() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// waitLocked returns a channel that closes at the next publish or at Close.
func (l *Log) waitLocked() <-chan struct{} {
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// Version returns the version of the newest published write.
func (l *Log) Version() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Reset tells a log that its store was filled up to version by other means than
// Publish: all watches must list again.
func (l *Log) Reset(version uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.window, l.bytes, l.floor, l.last = nil, 0, version, version
	l.wakeLocked()
}

// Close ends all watches and waits with err. Only the first call counts.
func (l *Log) Close(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == nil {
		l.closed = err
	}
	l.wakeLocked()
}

// Wait returns nil when version has been published, the log's error when it is
// closed first, or the cause when ctx ends first.
func (l *Log) Wait(ctx context.Context, version uint64) error {
	for {
		l.mu.Lock()
		done, err := l.last >= version, l.closed
		var changed <-chan struct{}
		if !done && err == nil {
			changed = l.waitLocked()
		}
		l.mu.Unlock()
		if done {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// readMax is how many changes a watch takes out of the log at once.
const readMax = 256

// read returns the next changes after version from. If there are none it
// returns a channel that closes when that may have changed.
func (l *Log) read(from uint64) ([]*Change, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed != nil:
		return nil, nil, l.closed
	case from < l.floor:
		return nil, nil, listAgain("changes after version %d are forgotten, up to %d", from, l.floor)
	case from > l.last:
		return nil, nil, listAgain("version %d is not of this store, which is at %d", from, l.last)
	case from == l.last:
		return nil, l.waitLocked(), nil
	}
	i, found := slices.BinarySearchFunc(l.window, from, func(c *Change, v uint64) int {
		switch {
		case c.Version < v:
			return -1
		case c.Version > v:
			return 1
		}
		return 0
	})
	if found {
		i++
	}
	return slices.Clone(l.window[i:min(i+readMax, len(l.window))]), nil, nil
}

func listAgain(format string, args ...any) error {
	return fn.WithHint(fn.Errorf(fn.Exhausted, "watching: "+format, args...),
		"list again, then watch from the version that the list returns")
}
