package watchdog

import (
	"bytes"
	"io"
	"os"
	"sync"
)

// Bounds of what one call's program may say on standard error.
const (
	maxLine   = 8 << 10 // longer ones are cut
	maxStderr = 4 << 20 // for one call; the rest is dropped
	tailLines = 20
)

// collect passes the program's standard error on, line by line.
func (c *call) collect(stderr *os.File) {
	var line []byte
	total := 0
	emit := func() {
		c.tail.add(string(line))
		if total <= maxStderr {
			c.log.line(c.id(), string(line))
		}
		line = line[:0]
	}
	buf := make([]byte, 8<<10)
	for {
		c.hurry(stderr)
		n, err := stderr.Read(buf)
		was := total
		total += n
		for part := range bytes.Lines(buf[:n]) {
			text, whole := bytes.CutSuffix(part, []byte("\n"))
			line = append(line, text[:min(len(text), maxLine-len(line))]...)
			if whole {
				emit()
			}
		}
		if was <= maxStderr && total > maxStderr {
			c.log.line(c.id(), "… the rest of what this call prints on standard error is dropped")
		}
		if err != nil {
			if len(line) > 0 {
				emit()
			}
			return
		}
	}
}

// tail keeps the last lines; the zero value is ready.
type tail struct{ kept []string }

func (t *tail) add(line string) {
	if len(t.kept) == tailLines {
		t.kept = append(t.kept[:0], t.kept[1:]...)
	}
	t.kept = append(t.kept, line)
}

func (t *tail) lines() []string { return t.kept }

// lineWriter writes whole lines from several goroutines.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

// line writes one line after its call's id, if that is known.
func (l *lineWriter) line(id, text string) {
	if id != "" {
		text = id + " " + text
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, text+"\n") // nowhere to complain
}
