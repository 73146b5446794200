package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// Read yields a function's lines in the order they were written. A function
// that printed nothing has none. An error is yielded last, with a zero Line:
// if ctx ends before what was there is read, its cause.
//
// With q.Follow the lines to come follow, across rotations, until ctx ends or
// the function is removed; both end it without an error. A reader that is so
// slow that lines are overwritten before it gets there is told so by a remark.
func (s *Store) Read(ctx context.Context, ref fn.Ref, q Query) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		r, err := s.acquire(ref)
		if err != nil {
			yield(Line{}, err)
			return
		}
		defer s.release(r)
		rd := &reader{r: r, q: q, yield: yield}
		defer rd.close()
		if err = rd.history(ctx); err == nil && q.Follow && !rd.stopped {
			err = rd.follow(ctx)
		}
		if followed := q.Follow && ctx.Err() != nil; err != nil && !followed && !rd.stopped {
			yield(Line{}, fmt.Errorf("reading the output of %s: %w", ref, err))
		}
	}
}

// reader is one Read. It belongs to one goroutine.
type reader struct {
	r       *ring
	q       Query
	yield   func(Line, error) bool
	stopped bool // the consumer wants no more

	// where following goes on
	seq  uint64 // segment; 0: before the first
	off  int64
	file *os.File // segment seq; nil: not opened yet
}

func (rd *reader) close() {
	if rd.file != nil {
		_ = rd.file.Close() // only read
	}
}

// give yields a line if it matches, and reports whether to go on.
func (rd *reader) give(l Line) bool {
	if rd.q.matches(&l) && !rd.yield(l, nil) {
		rd.stopped = true
	}
	return !rd.stopped
}

// history yields what is there, and leaves the position behind it.
func (rd *reader) history(ctx context.Context) error {
	all, err := segments(rd.r.s.root, rd.r.dir)
	if err != nil || len(all) == 0 {
		return err
	}
	if rd.q.Tail > 0 {
		return rd.tail(ctx, all)
	}
	for i, seg := range all {
		newest := i == len(all)-1
		if !newest && (rd.q.Tail < 0 || rd.tooOld(seg)) {
			continue
		}
		if err := rd.open(seg.seq); err != nil {
			return err
		}
		give := rd.give
		if rd.q.Tail < 0 {
			give = func(Line) bool { return true }
		}
		if err := rd.scan(ctx, give); err != nil || rd.stopped {
			return err
		}
	}
	return nil
}

// tail yields the newest q.Tail lines that match. It reads from the newest
// segment backwards, and no more of them than it needs.
func (rd *reader) tail(ctx context.Context, all []segment) error {
	var seq uint64
	var off int64
	var parts [][]Line // newest segment first
	for i, want := len(all)-1, rd.q.Tail; i >= 0 && want > 0; i-- {
		if rd.tooOld(all[i]) {
			break
		}
		if err := rd.open(all[i].seq); err != nil {
			return err
		}
		keep := lastLines{n: want}
		err := rd.scan(ctx, func(l Line) bool {
			if rd.q.matches(&l) {
				keep.add(l)
			}
			return true
		})
		if err != nil {
			return err
		}
		if seq == 0 {
			seq, off = rd.seq, rd.off
		}
		want -= len(keep.lines)
		parts = append(parts, keep.inOrder())
	}
	for i := len(parts) - 1; i >= 0; i-- {
		for _, l := range parts[i] {
			if !rd.give(l) {
				return nil
			}
		}
	}
	if seq == 0 { // nothing was young enough: follow from the end
		seq, off = all[len(all)-1].seq, all[len(all)-1].size
	}
	if err := rd.open(seq); err != nil {
		return err
	}
	rd.off = off
	return nil
}

// tooOld says that no line of seg is young enough. The file system's clock is
// a little behind ours.
func (rd *reader) tooOld(seg segment) bool {
	return seg.used.Add(time.Second).Before(rd.q.Since)
}

// open goes to the beginning of segment seq. One that has been overwritten
// since is as good as empty.
func (rd *reader) open(seq uint64) error {
	rd.close()
	f, err := rd.r.s.root.Open(segmentName(rd.r.dir, seq))
	if errors.Is(err, fs.ErrNotExist) {
		f, err = nil, nil
	}
	rd.file, rd.seq, rd.off = f, seq, 0
	return err
}

// scan gives each line from the position to the end of the segment, and moves
// the position behind it.
func (rd *reader) scan(ctx context.Context, give func(Line) bool) error {
	if rd.file == nil {
		return nil
	}
	sc := newScanner(rd.file, rd.off)
	defer func() { rd.off = sc.end }()
	for n := 0; ; n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l, ok, err := sc.next()
		if err != nil || !ok || !give(l) {
			return err
		}
	}
}

// follow yields lines as they are written.
func (rd *reader) follow(ctx context.Context) error {
	for {
		// Look at the ring before reading: what is written after this look
		// closes changed, and a segment older than newest is complete.
		newest, changed, gone, err := rd.r.watch()
		if err != nil || gone {
			return err
		}
		if rd.file == nil && rd.seq != 0 { // not there when it was listed
			if err := rd.open(rd.seq); err != nil {
				return err
			}
		}
		err = rd.scan(ctx, rd.give)
		switch {
		case ctx.Err() != nil || rd.stopped:
			return nil
		case err != nil:
			return err
		case newest > rd.seq:
			if err := rd.advance(); err != nil {
				return err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// advance goes to the next segment there is.
func (rd *reader) advance() error {
	all, err := segments(rd.r.s.root, rd.r.dir)
	if err != nil {
		return err
	}
	for _, seg := range all {
		if seg.seq <= rd.seq {
			continue
		}
		if rd.seq != 0 && seg.seq > rd.seq+1 {
			rd.give(Line{
				Time: time.Now(), Stream: Remark, Revision: rd.q.Revision, Instance: rd.q.Instance, Call: rd.q.Call,
				Text: "some lines were overwritten before they could be read",
			})
		}
		return rd.open(seg.seq)
	}
	return nil
}
