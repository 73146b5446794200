package fork

import (
	"bytes"
	"io"
	"sync"
)

// Lines cuts a stream into lines. One goroutine writes to it at a time.
type Lines struct {
	Max  int               // longest line in bytes
	Wrap bool              // what is over Max is another line; else it is dropped
	Emit func(line string) // gets each line without its end

	line []byte
}

// Write takes the next piece of the stream. It never fails.
func (l *Lines) Write(p []byte) (int, error) {
	for part := range bytes.Lines(p) {
		text, whole := bytes.CutSuffix(part, []byte("\n"))
		for l.Wrap && len(l.line)+len(text) > l.Max {
			room := l.Max - len(l.line)
			l.line = append(l.line, text[:room]...)
			text = text[room:]
			l.emit()
		}
		l.line = append(l.line, text[:min(len(text), l.Max-len(l.line))]...)
		if whole {
			l.emit()
		}
	}
	return len(p), nil
}

// Flush emits a last line that has no end.
func (l *Lines) Flush() {
	if len(l.line) > 0 {
		l.emit()
	}
}

func (l *Lines) emit() {
	l.Emit(string(l.line))
	l.line = l.line[:0]
}

// Log writes whole lines from several goroutines.
type Log struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

// NewLog returns a Log that writes to w.
func NewLog(w io.Writer) *Log { return &Log{w: w} }

// Line writes one line after its call's id, if that is known.
func (l *Log) Line(id, text string) {
	if id != "" {
		text = id + " " + text
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, text+"\n") // nowhere to complain
}
