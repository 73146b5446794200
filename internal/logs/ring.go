package logs

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// ring is the live side of one function's segments. It exists while somebody
// writes or reads, and a while longer.
type ring struct {
	s   *Store
	ref fn.Ref
	dir string // below the store's root

	users int // writers and readers; guarded by Store.mu

	mu      sync.Mutex
	file    *os.File      // the newest segment; nil while closed
	known   bool          // seq has been read from the folder
	seq     uint64        // number of the newest segment; 0: there is none
	size    int64         // bytes in file
	used    time.Time     // last written
	changed chan struct{} // closed at the next write; nil if nobody waits
	gone    bool          // the function was removed, or the store closed
}

// append writes whole records to the newest segment. len(b) is at most
// Config.batch, or one record.
func (r *ring) append(b []byte, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return nil
	}
	if err := r.roomLocked(int64(len(b))); err != nil {
		return err
	}
	n, err := r.file.Write(b)
	if err != nil {
		if n > 0 && r.file.Truncate(r.size) != nil {
			r.size += int64(n) // a torn line stays; the next opening ends it
		}
		r.closeLocked()
		return err
	}
	r.size += int64(n)
	r.used = now
	r.s.total.Add(int64(n))
	r.wakeLocked()
	return nil
}

// roomLocked makes sure that a segment with room for n bytes is open.
func (r *ring) roomLocked(n int64) error {
	if r.file == nil {
		if err := r.learnLocked(); err != nil {
			return err
		}
		if err := r.openLocked(max(r.seq, 1)); err != nil {
			return err
		}
	}
	if r.size == 0 || r.size+n <= r.s.cfg.segment() {
		return nil
	}
	r.closeLocked()
	if err := r.openLocked(r.seq + 1); err != nil {
		return err
	}
	return r.pruneLocked()
}

// learnLocked reads the number of the newest segment.
func (r *ring) learnLocked() error {
	if r.known {
		return nil
	}
	all, err := segments(r.s.root, r.dir)
	if err != nil {
		return err
	}
	if len(all) > 0 {
		r.seq = all[len(all)-1].seq
	}
	r.known = true
	return nil
}

// openLocked opens segment seq for appending. A line that a crash has left
// without its end gets one.
func (r *ring) openLocked(seq uint64) error {
	const flags = os.O_RDWR | os.O_CREATE | os.O_APPEND
	name := segmentName(r.dir, seq)
	f, err := r.s.root.OpenFile(name, flags, 0o600)
	for try := 0; errors.Is(err, fs.ErrNotExist) && try < 2; try++ {
		// The namespace's folder may go between the two calls.
		if err = r.s.root.MkdirAll(r.dir, 0o700); err == nil {
			f, err = r.s.root.OpenFile(name, flags, 0o600)
		}
	}
	if err != nil {
		return err
	}
	size, err := endLine(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.file, r.seq, r.size = f, seq, size
	r.s.opened(r)
	return nil
}

// endLine makes sure that a file ends with a newline and returns its size.
func endLine(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], info.Size()-1); err != nil || last[0] == '\n' {
		return info.Size(), err
	}
	_, err = f.Write([]byte{'\n'})
	return info.Size() + 1, err
}

// pruneLocked removes the segments that are too many: all but the newest if
// the store as a whole is over its budget.
func (r *ring) pruneLocked() error {
	keep := uint64(r.s.cfg.Segments)
	if r.s.total.Load() > r.s.cfg.Total {
		keep = 1
	}
	all, err := segments(r.s.root, r.dir)
	if err != nil {
		return err
	}
	for _, seg := range all {
		if seg.seq+keep <= r.seq {
			err = errors.Join(err, r.s.drop(r.dir, seg))
		}
	}
	return err
}

// closeLocked closes the file, if it is open.
func (r *ring) closeLocked() {
	if r.file == nil {
		return
	}
	// Nothing is buffered here, so there is nothing an error could lose.
	_ = r.file.Close()
	r.file = nil
	r.s.closed(r)
}

func (r *ring) wakeLocked() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// watch returns the newest segment's number as of now, a channel that is
// closed when something was written after this call, and whether the ring has
// ended.
func (r *ring) watch() (newest uint64, changed <-chan struct{}, gone bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return 0, nil, true, nil
	}
	if err := r.learnLocked(); err != nil {
		return 0, nil, false, err
	}
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.seq, r.changed, false, nil
}

// endLocked makes the ring take nothing more, and its readers end.
func (r *ring) endLocked() {
	r.gone = true
	r.closeLocked()
	r.wakeLocked()
}
