package cli

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/cli/pack"
)

// deployView shows one deploy as it goes.
type deployView struct {
	*progress
	quiet bool       // show nothing but the sign of life
	name  string     // put before every line, where several deploys go on at once; else ""
	shown shownLines // output of the build
}

// shownLines are lines of output a person has seen. The zero value is empty;
// methods may be called from several goroutines at once.
type shownLines struct {
	mu    sync.Mutex
	lines map[string]bool // guarded by mu; bounded by maxShown
}

// maxShown is how many lines are remembered.
const maxShown = 10_000

func (s *shownLines) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines == nil || len(s.lines) >= maxShown {
		s.lines = map[string]bool{}
	}
	s.lines[line] = true
}

// all says whether every line has been shown.
func (s *shownLines) all(lines []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(lines, func(line string) bool { return !s.lines[line] })
}

// untold takes from a deploy's error the output that was shown as it came.
func untold(err error, shown *shownLines) error {
	if e, ok := errors.AsType[*api.Error](err); ok && shown.all(e.Output) {
		e.Output = nil
	}
	return err
}

// Begin, End and Print are those of progress; of several deploys at once none
// has the sign of life for itself.
func (v *deployView) Begin(label string) {
	if v.name == "" {
		v.progress.Begin(label)
	}
}

// End is progress.End for a deploy that goes on alone.
func (v *deployView) End() {
	if v.name == "" {
		v.progress.End()
	}
}

// Print is progress.Print, with the name of the function.
func (v *deployView) Print(line string) {
	if v.name != "" {
		line = v.look.faint.Render(v.name+":") + " " + line
	}
	v.progress.Print(line)
}

func (v *deployView) header(t target) {
	v.Begin(t.name())
	if !v.quiet {
		what := t.req.Spec.Runtime + " from " + t.source
		if t.req.Image != "" {
			what = t.source
		}
		v.Print(v.look.bold.Render(t.name()) + v.look.faint.Render("  "+what))
	}
}

// source tells what was packed and whether it had to be sent.
func (v *deployView) source(a *pack.Archive, known bool) {
	note := count(a.Files, "file") + ", " + roughly(a.Size)
	if a.By != "" && a.Ignored > 0 {
		note += fmt.Sprintf(", %d left out by %s", a.Ignored, a.By)
	}
	if known {
		note += ", unchanged"
	}
	v.step("source", note)
}

// event shows what the server is doing.
func (v *deployView) event(e api.DeployEvent) {
	switch {
	case e.Done && e.Cached:
		v.step(e.Step, "unchanged")
	case e.Done:
		v.step(e.Step, took(time.Duration(e.Ms)*time.Millisecond))
	case e.Line != "":
		v.remark(e.Line)
	default:
		v.Begin(e.Step)
	}
}

func (v *deployView) step(name, note string) {
	if v.quiet {
		return
	}
	v.End()
	v.Print(fmt.Sprintf("  %s %-8s %s", v.look.good.Render("✓"), name, v.look.faint.Render(note)))
}

func (v *deployView) remark(line string) {
	if v.quiet {
		return
	}
	v.shown.add(line)
	v.Print(v.look.faint.Render("  │ " + printable(line)))
}
