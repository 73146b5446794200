package async

import (
	"fmt"
	"os"
)

// spoolMemory is how much of a result is kept in memory; the rest goes to a
// file without a name.
const spoolMemory = 128 << 10

// spool keeps the first bytes of a body. It belongs to one goroutine.
type spool struct {
	dir    string // where files go; "" is the system's folder
	most   int64  // bytes kept
	memory []byte
	file   *os.File // nil until memory is full
	size   int64    // bytes kept so far
	cut    bool     // there was more, or it could not be kept
	broken error    // why it keeps nothing more
}

func (s *spool) write(p []byte) {
	if left := s.most - s.size; int64(len(p)) > left {
		p, s.cut = p[:left], true
	}
	n := min(len(p), spoolMemory-len(s.memory))
	s.memory = append(s.memory, p[:n]...)
	s.size += int64(n)
	if p = p[n:]; len(p) == 0 || s.broken != nil {
		return
	}
	if err := s.writeFile(p); err != nil {
		s.broken, s.cut = fmt.Errorf("keeping a result: %w", err), true
		return
	}
	s.size += int64(len(p))
}

func (s *spool) writeFile(p []byte) (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp(s.dir, "result-*"); err != nil {
			return err
		}
		if err := os.Remove(s.file.Name()); err != nil {
			return err
		}
	}
	_, err = s.file.Write(p)
	return err
}

// bytes returns what was kept.
func (s *spool) bytes() ([]byte, error) {
	b := make([]byte, s.size)
	n := copy(b, s.memory)
	if n == len(b) {
		return b, nil
	}
	if _, err := s.file.ReadAt(b[n:], 0); err != nil {
		return nil, fmt.Errorf("reading a result: %w", err)
	}
	return b, nil
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close() // it has no name: nothing is left of it
	}
}
