package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"go.yaml.in/yaml/v3"
)

func (c *cli) checkOutput() error {
	switch c.output {
	case "table", "json", "yaml":
		return nil
	}
	return usage(fmt.Errorf("--output %q is not table, json or yaml", c.output))
}

// print prints data: as a table made by asTable, or v as JSON or YAML.
func (c *cli) print(v any, asTable func() string) error {
	if c.output == "table" {
		return c.say(asTable())
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	if c.output == "json" {
		return c.say(b.String())
	}
	return c.printYAML(b.Bytes())
}

// printYAML prints JSON as YAML with the same names in the same order.
func (c *cli) printYAML(text []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	plain(&doc)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return fmt.Errorf("writing YAML: %w", err)
	}
	return c.say(b.String())
}

// plain takes JSON's quotes and braces from nodes that do not need them.
func plain(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		n.Style = 0
	} else if n.Tag == "!!str" && n.Style&yaml.DoubleQuotedStyle != 0 {
		n.Style = 0 // the encoder quotes what would be read as something else
	}
	for _, child := range n.Content {
		plain(child)
	}
}

// say writes to standard output.
func (c *cli) say(text string) error {
	if _, err := fmt.Fprint(c.Out, text); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// note says something to the person who reads along.
func (c *cli) note(format string, args ...any) {
	fmt.Fprintf(c.Err, format+"\n", args...)
}

// tabulate lays rows out under headers.
func (c *cli) tabulate(headers []string, rows [][]string) string {
	plainStyle := lipgloss.NewStyle().PaddingRight(2)
	bare := lipgloss.Border{}
	t := table.New().Headers(headers...).Rows(rows...).Border(bare).
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).BorderRow(false).
		StyleFunc(func(int, int) lipgloss.Style { return plainStyle })
	return trimmed(t.String())
}

// trimmed takes the blanks from the ends of lines.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
	return b.String()
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// ago says how long before now something was.
func (c *cli) ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return age(c.Now().Sub(t))
}

// age writes a time span roughly.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
