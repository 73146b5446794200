package logs

import "time"

// Config bounds what logs may use. A zero field means its default.
type Config struct {
	Bytes    int64 // of each function's ring on disk; default 4 MiB, at least 128 KiB
	Total    int64 // of all rings; default 2 GiB; kept by Sweep, which removes the oldest segments
	Segments int   // files of a ring, 2–16; default 4; the oldest goes as a whole

	Rate  int64 // bytes a second each instance may write over time; default 512 KiB
	Burst int64 // bytes it may write at once after a quiet time; default half of Bytes

	// Patience is how long the disk may take for one write. After a longer one
	// nothing is written for five times as long (at most 10 s), so that a disk
	// in trouble holds a function that prints up for a fraction of its time.
	// Default 200 ms.
	Patience time.Duration

	CloseAfter time.Duration // how long a silent function's file stays open; default 30 s
	MaxOpen    int           // files open at once; default 256
}

// smallest is the least size of a segment: it must hold the longest line.
const smallest = 2 * maxRecord

func (c Config) withDefaults() Config {
	orElse(&c.Bytes, 4<<20)
	orElse(&c.Total, 2<<30)
	orElse(&c.Segments, 4)
	orElse(&c.Rate, 512<<10)
	orElse(&c.Patience, 200*time.Millisecond)
	orElse(&c.CloseAfter, 30*time.Second)
	orElse(&c.MaxOpen, 256)
	c.Segments = min(max(c.Segments, 2), 16)
	c.Bytes = max(c.Bytes, int64(c.Segments)*smallest)
	orElse(&c.Burst, c.Bytes/2)
	c.Burst = max(c.Burst, 2*maxRecord)
	return c
}

func orElse[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// segment is the size at which the next segment begins.
func (c *Config) segment() int64 { return c.Bytes / int64(c.Segments) }

// batch is how much is written to a file at once.
func (c *Config) batch() int { return int(min(64<<10, c.segment())) }
