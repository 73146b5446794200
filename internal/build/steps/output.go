package steps

import (
	"bytes"
	"strings"
	"sync"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/fn"
)

// Bounds of what a build's tools may print.
const (
	maxLine  = 4 << 10
	maxLines = 100_000 // passed on for one build; the rest is only counted
)

// output turns what tools print into events, one at a time.
type output struct {
	mu       sync.Mutex
	progress func(build.Event) // called with mu held; nil once closed
	name     string            // of the step at work
	last     []string          // its newest lines, at most fn.MaxFailureOutput
	lines    int
}

func (o *output) begin(step string) {
	o.mu.Lock()
	o.name, o.last = step, nil
	o.mu.Unlock()
	o.event(build.Event{Step: step})
}

func (o *output) event(e build.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.progress != nil {
		o.progress(e)
	}
}

// line passes one line on.
func (o *output) line(text string) {
	text = clean(text)
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.last) == fn.MaxFailureOutput {
		o.last = append(o.last[:0], o.last[1:]...)
	}
	o.last = append(o.last, text)
	o.lines++
	if o.progress == nil || o.lines > maxLines {
		return
	}
	if o.lines == maxLines {
		text = "… the build prints too much, the rest is not shown"
	}
	o.progress(build.Event{Step: o.name, Line: text})
}

// tail returns the newest lines.
func (o *output) tail() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.last...)
}

// close makes sure that nothing is called after a build's end.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.progress = nil
}

func (o *output) writer() *splitter { return &splitter{out: o} }

// splitter cuts one stream into lines. The engine's goroutine owns it until
// the instance is done.
type splitter struct {
	out  *output
	rest []byte
}

func (s *splitter) Write(p []byte) (int, error) {
	n := len(p)
	for {
		// Progress bars return the carriage: the last state of a line counts.
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.add(p)
			return n, nil
		}
		s.add(p[:i])
		s.flushLine()
		p = p[i+1:]
	}
}

func (s *splitter) add(p []byte) {
	if i := bytes.LastIndexByte(bytes.TrimSuffix(p, []byte("\r")), '\r'); i >= 0 {
		s.rest, p = s.rest[:0], p[i+1:]
	}
	s.rest = append(s.rest, p[:min(len(p), maxLine-len(s.rest))]...)
}

func (s *splitter) flushLine() {
	s.out.line(string(s.rest))
	s.rest = s.rest[:0]
}

// flush passes on a last line without an end.
func (s *splitter) flush() {
	if len(s.rest) > 0 {
		s.flushLine()
	}
}

// clean makes a line safe to show: no escape sequences, valid UTF-8.
func clean(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == 0x1b { // CSI sequences end with a letter, others after one byte
			i++
			if i < len(text) && text[i] == '[' {
				for i++; i < len(text) && (text[i] < 0x40 || text[i] > 0x7e); i++ {
				}
			}
			continue
		}
		if c >= 0x20 && c != 0x7f || c == '\t' {
			b.WriteByte(c)
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}
