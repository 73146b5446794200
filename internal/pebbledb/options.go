package pebbledb

import (
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskFormat is the format of the database's files. It is raised by hand,
// because a server of an older version cannot open a newer format.
const diskFormat = pebble.FormatValueSeparation

func options(c Config, fs vfs.FS) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		FormatMajorVersion:          diskFormat,
		CacheSize:                   c.Cache,
		MemTableSize:                c.MemTable,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                c.Files,
		LBaseMaxBytes:               16 << 20,
		CompactionConcurrencyRange:  func() (lower, upper int) { return 1, 1 },
		Logger:                      logger{c.Log},
		EventListener:               listener(c.Log),
	}
	for i := range o.Levels { // every write looks for its key first, which as a rule is new
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return o
}

// logger passes the database's words on. They are for developers: debug.
type logger struct{ log *slog.Logger }

func (l logger) Infof(format string, args ...any) {
	l.log.Debug("database engine", "detail", fmt.Sprintf(format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("database engine", "detail", fmt.Sprintf(format, args...))
}

// Fatalf is called where the database cannot go on and must not return: going on
// could lose what was acknowledged, ending the process cannot.
func (l logger) Fatalf(format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	l.log.Error("database engine cannot go on", "detail", detail)
	panic("database engine cannot go on: " + detail)
}

// listener reports what an operator cares about.
func listener(log *slog.Logger) *pebble.EventListener {
	l := &pebble.EventListener{
		BackgroundError: func(err error) { log.Warn("database maintenance failed, it is tried again", "error", err) },
		DataCorruption:  func(i pebble.DataCorruptionInfo) { log.Error("database is damaged", "detail", i.String()) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { log.Warn("database writes wait for the disk", "reason", i.Reason) },
		WriteStallEnd:   func() { log.Info("database writes go on") },
	}
	l.EnsureDefaults(nil) // what is not set above is not reported
	return l
}
