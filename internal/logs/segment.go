package logs

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// segment is one file of a ring. Higher numbers are newer.
type segment struct {
	seq  uint64
	size int64
	used time.Time // last written
}

func segmentName(dir string, seq uint64) string {
	return fmt.Sprintf("%s/%08d.log", dir, seq)
}

// segments lists the ring in dir, oldest first. A folder that is not there
// has none.
func segments(root *os.Root, dir string) ([]segment, error) {
	d, err := root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := d.ReadDir(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	var all []segment
	for _, e := range entries {
		num, ok := strings.CutSuffix(e.Name(), ".log")
		seq, err := strconv.ParseUint(num, 10, 64)
		if !ok || err != nil || seq == 0 {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone since, or not ours
		}
		all = append(all, segment{seq: seq, size: info.Size(), used: info.ModTime()})
	}
	slices.SortFunc(all, func(a, b segment) int { return cmp.Compare(a.seq, b.seq) })
	return all, nil
}

// scanner reads the records of a segment.
type scanner struct {
	in  *bufio.Reader
	end int64 // offset behind the last whole line read
}

func newScanner(r io.ReaderAt, from int64) *scanner {
	return &scanner{
		in:  bufio.NewReaderSize(io.NewSectionReader(r, from, 1<<62), 2*maxRecord),
		end: from,
	}
}

// next returns the next record that makes sense, or false at the end of what
// there is. A last line without a newline is not taken: either its writer is
// at work, or it was torn.
func (s *scanner) next() (Line, bool, error) {
	for {
		rec, err := s.in.ReadSlice('\n')
		switch {
		case err == nil:
			s.end += int64(len(rec))
			if l, ok := parse(rec[:len(rec)-1]); ok && len(rec) <= maxRecord {
				return l, true, nil
			}
		case errors.Is(err, bufio.ErrBufferFull):
			if whole, err := s.skip(int64(len(rec))); err != nil || !whole {
				return Line{}, false, err
			}
		case errors.Is(err, io.EOF):
			return Line{}, false, nil
		default:
			return Line{}, false, err
		}
	}
}

// skip leaves out a line of which n bytes are read already: longer than any
// record, so damage. It reports whether the line's end was there.
func (s *scanner) skip(n int64) (whole bool, err error) {
	for {
		part, err := s.in.ReadSlice('\n')
		n += int64(len(part))
		switch {
		case err == nil:
			s.end += n
			return true, nil
		case errors.Is(err, io.EOF):
			return false, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return false, err
		}
	}
}
