package cli

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// styles is how words look. Without a terminal, or with NO_COLOR set, they
// look like any other.
type styles struct {
	bold, faint, good, bad, warn, cold lipgloss.Style
}

// newStyles asks the environment only: a question to the terminal itself
// could take long and eat what the user types.
func newStyles(w io.Writer, terminal bool, env func(string) (string, bool)) styles {
	r := lipgloss.NewRenderer(w)
	r.SetColorProfile(termenv.Ascii)
	if terminal && env != nil {
		noColor, _ := env("NO_COLOR")
		if kind, _ := env("TERM"); noColor == "" && kind != "dumb" {
			r.SetColorProfile(termenv.ANSI)
		}
	}
	color := func(n string) lipgloss.Style { return r.NewStyle().Foreground(lipgloss.Color(n)) }
	return styles{
		bold: r.NewStyle().Bold(true), faint: r.NewStyle().Faint(true),
		good: color("2"), bad: color("1").Bold(true), warn: color("3"), cold: color("6"),
	}
}

// state paints a function's or instance's state.
func (s styles) state(word string) string {
	switch word {
	case "ready", "busy":
		return s.good.Render(word)
	case "failing":
		return s.bad.Render(word)
	case "starting", "pending", "draining":
		return s.warn.Render(word)
	case "frozen":
		return s.cold.Render(word)
	}
	return s.faint.Render(word)
}
