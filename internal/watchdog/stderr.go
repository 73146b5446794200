package watchdog

import "rouse.dev/rouse/internal/watchdog/fork"

// Bounds of what one call's program may say on standard error.
const (
	maxLine   = 8 << 10 // longer ones are cut
	maxStderr = 4 << 20 // for one call; the rest is dropped
	tailLines = 20
)

// stderr passes one program's standard error on, line by line. The copier of
// the run owns it until the run ended.
type stderr struct {
	lines fork.Lines
	total int      // bytes so far
	tail  []string // the last lines
	log   func(line string)
}

func newStderr(log func(line string)) *stderr {
	s := &stderr{log: log}
	s.lines = fork.Lines{Max: maxLine, Emit: s.emit}
	return s
}

func (s *stderr) emit(line string) {
	if len(s.tail) == tailLines {
		s.tail = append(s.tail[:0], s.tail[1:]...)
	}
	s.tail = append(s.tail, line)
	if s.total <= maxStderr {
		s.log(line)
	}
}

func (s *stderr) Write(p []byte) (int, error) {
	was := s.total
	s.total += len(p)
	_, _ = s.lines.Write(p) // never fails
	if was <= maxStderr && s.total > maxStderr {
		s.log("… the rest of what this call prints on standard error is dropped")
	}
	return len(p), nil
}
