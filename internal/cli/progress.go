package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Timing of the sign of life.
const (
	patience = time.Second            // work shorter than this shows none
	frame    = 120 * time.Millisecond // between two pictures of the spinner
)

// spinner's pictures.
var frames = []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// progress shows on one line of a terminal that work goes on, with lines of
// output above it. Where nobody reads along it only prints the lines.
type progress struct {
	w        io.Writer
	terminal bool
	look     styles
	after    time.Duration // before the first picture
	stop     chan struct{}
	done     sync.WaitGroup

	mu     sync.Mutex // guards what follows, and writing to w
	label  string     // "" while nothing goes on
	began  time.Time
	tick   int
	onLine bool // the sign of life is on the screen
}

// newProgress starts showing; Close ends it. after is how long work goes on
// before the sign of life appears.
func (c *cli) newProgress(after time.Duration) *progress {
	p := &progress{w: c.Err, terminal: c.ErrTerminal, look: c.errLook, after: after, stop: make(chan struct{})}
	if p.terminal {
		p.done.Go(p.spin)
	}
	return p
}

func (p *progress) spin() {
	t := time.NewTicker(frame)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			p.mu.Lock()
			p.drawLocked()
			p.mu.Unlock()
		case <-p.stop:
			return
		}
	}
}

// Begin says what is being done from now on.
func (p *progress) Begin(label string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.label, p.began = label, time.Now()
	p.drawLocked()
}

// End says that what was being done is over.
func (p *progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eraseLocked()
	p.label = ""
}

// Print writes a line that stays, above the sign of life.
func (p *progress) Print(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eraseLocked()
	fmt.Fprintln(p.w, line)
	p.drawLocked()
}

// Close ends the sign of life and waits for its goroutine.
func (p *progress) Close() {
	close(p.stop)
	p.done.Wait()
	p.End()
}

func (p *progress) drawLocked() {
	if !p.terminal || p.label == "" {
		return
	}
	spent := time.Since(p.began)
	if spent < p.after {
		return
	}
	p.eraseLocked()
	p.tick++
	text := fmt.Sprintf("%s %s", frames[p.tick%len(frames)], p.label)
	if spent >= patience {
		text += p.look.faint.Render(fmt.Sprintf(" %ds", int(spent.Seconds())))
	}
	fmt.Fprint(p.w, text)
	p.onLine = true
}

func (p *progress) eraseLocked() {
	if p.onLine {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.onLine = false
	}
}

// during shows a sign of life while work takes longer than patience.
func (c *cli) during(label string, work func() error) error {
	p := c.newProgress(patience)
	defer p.Close()
	p.Begin(label)
	return work()
}

// took writes a time in a way that is easy to compare.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
}
