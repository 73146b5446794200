package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/client"
	"rouse.dev/rouse/internal/fn"
)

func (c *cli) logsCommand() *cobra.Command {
	var namespace, since string
	var build bool
	var o client.LogOptions
	cmd := &cobra.Command{
		Use:               "logs NAME",
		Short:             "Show what a function, or its last build, printed",
		Example:           "  rouse logs hello --tail 20\n  rouse logs hello -f --since 10m\n  rouse logs hello --call 019c1000-0000-7000-8000-000000000001\n  rouse logs hello --build",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeFunctions,
		RunE: c.onFunction(&namespace, func(cmd *cobra.Command, cl *client.Client, ref client.Ref) error {
			if build {
				return c.buildOutput(cmd.Context(), cl, ref)
			}
			var err error
			if o.Since, err = c.parseSince(since); err != nil {
				return err
			}
			return c.follow(cmd.Context(), cl, ref, o)
		}),
	}
	c.namespaceFlag(cmd, &namespace)
	f := cmd.Flags()
	f.BoolVar(&build, "build", false, "show what its last build printed, whether it worked or not")
	f.BoolVarP(&o.Follow, "follow", "f", false, "go on with new lines until interrupted")
	f.StringVar(&since, "since", "", "only lines after this time (RFC 3339) or age (10m)")
	f.IntVar(&o.Tail, "tail", 0, "at most this many of the lines there are")
	f.StringVar(&o.Call, "call", "", "only lines of this call id (X-Call-Id)")
	for _, name := range []string{"follow", "since", "tail", "call"} {
		cmd.MarkFlagsMutuallyExclusive("build", name)
	}
	return cmd
}

// buildOutput prints what the last build of a function printed.
func (c *cli) buildOutput(ctx context.Context, cl *client.Client, ref client.Ref) error {
	if c.output != "table" {
		return usage(fn.Errorf(fn.Invalid, "the output of a build is text: leave out --output %s", c.output))
	}
	out, err := cl.BuildOutput(ctx, ref)
	if err != nil {
		return err
	}
	defer out.Close()
	if c.OutTerminal {
		return c.showText(out)
	}
	if _, err := io.Copy(c.Out, out); err != nil {
		return fmt.Errorf("receiving the output: %w", err)
	}
	return nil
}

// showText copies text to a terminal, which it cannot steer.
func (c *cli) showText(text io.Reader) error {
	in, out := bufio.NewReader(text), bufio.NewWriter(c.Out)
	for {
		r, _, err := in.ReadRune()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(fmt.Errorf("receiving the output: %w", err), out.Flush())
		}
		if r != '\n' {
			r = harmless(r)
		}
		_, _ = out.WriteRune(r) // Flush tells
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// follow prints log lines. To be interrupted while following is no error.
func (c *cli) follow(ctx context.Context, cl *client.Client, ref client.Ref, o client.LogOptions) error {
	for line, err := range cl.Logs(ctx, ref, o) {
		if err != nil {
			if o.Follow && errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
		if err := c.printLine(line); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) printLine(line api.LogLine) error {
	switch c.output {
	case "json":
		text, err := json.Marshal(line)
		if err != nil {
			return fmt.Errorf("writing JSON: %w", err)
		}
		return c.say(string(text) + "\n")
	case "yaml":
		return c.print([]api.LogLine{line}, nil)
	}
	text := line.Text
	if c.OutTerminal {
		text = printable(text)
	}
	if line.Stream == "rouse" {
		text = c.look.cold.Render(text)
	}
	head := strings.TrimSpace(c.clock(line.Time) + " " + line.Instance)
	return c.say(c.look.faint.Render(head) + " " + text + "\n")
}

// parseSince reads a time, or an age before now.
func (c *cli) parseSince(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return c.Now().Add(-d), nil
	}
	return time.Time{}, usage(fn.Errorf(fn.Invalid, "--since %q is not a time such as 2026-01-31T12:00:00Z or an age such as 10m", s))
}
