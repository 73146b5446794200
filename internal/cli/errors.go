package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/fn"
)

// usage marks an error as a wrong use of the command line.
func usage(err error) error { return usageError{err} }

type usageError struct{ error }

func (u usageError) Unwrap() []error { return []error{fn.Invalid, u.error} }

// sayUse has a command and those below it answer a wrong number of arguments
// with what they take, in place of cobra's "accepts 1 arg(s), received 0".
func sayUse(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		sayUse(below)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err != nil && (strings.HasPrefix(err.Error(), "accepts ") || strings.HasPrefix(err.Error(), "requires ")) {
			return usage(fmt.Errorf("got %s, want: %s", count(len(args), "argument"), cmd.UseLine()))
		}
		return err
	}
}

// fileError says what is wrong with a path the user named.
func fileError(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return fn.Errorf(fn.NotFound, "there is no file %s", name)
	case errors.Is(err, fs.ErrPermission):
		return fn.Errorf(fn.Denied, "%s may not be used: permission denied", name)
	}
	return fn.Errorf(fn.Invalid, "%s cannot be used: %w", name, err)
}

// meaning gives an error its kind and hint where it has none: those of the
// server's errors come as text, those of the network and of cobra not at all.
func meaning(err error) error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		if e.Kind == string(fn.Unauthenticated) {
			e.Hint = "run this as the server's user on its machine, name its data folder with --data, or set " + envPassword
		}
		return errors.Join(err, fn.Kind(e.Kind))
	}
	if fn.KindOf(err) != fn.Internal || errors.Is(err, fn.Internal) {
		return err
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fn.Errorf(fn.Canceled, "interrupted")
	case errors.Is(err, context.DeadlineExceeded):
		return fn.Errorf(fn.Timeout, "%w", err)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		if op.Op == "dial" {
			return fn.WithHint(fn.Errorf(fn.Unavailable, "no server answers at %s: %w", op.Addr, op.Err),
				"start one with: rouse up (or set --url or ROUSE_URL to where it is)")
		}
		return fn.WithHint(fn.Errorf(fn.Unavailable, "the connection to the server broke: %w", op), "look whether it still runs, then try again")
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return fn.WithHint(fn.Errorf(fn.Unavailable, "%w", err), "check the URL of the server, and whether it runs")
	}
	if strings.HasPrefix(err.Error(), "unknown command ") || strings.Contains(err.Error(), " arg(s)") ||
		strings.Contains(err.Error(), "required flag") || strings.Contains(err.Error(), "in the group [") {
		return usage(err) // cobra has no type for these
	}
	return err
}

// printError tells a person what went wrong, why, and what to do.
func printError(w io.Writer, s styles, err error, cmd *cobra.Command) {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		e = localError(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", s.bad.Render("error:"), e.Message)
	for _, m := range e.Mistakes {
		fmt.Fprintf(&b, "  - %s\n", m)
	}
	var facts []string
	for _, f := range []struct{ name, value string }{
		{"phase", e.Phase}, {"cause", e.Cause}, {"", e.Exit}, {"limit", e.Limit}, {"call", e.CallID},
	} {
		if f.value != "" {
			facts = append(facts, strings.TrimSpace(f.name+" "+f.value))
		}
	}
	if len(facts) > 0 {
		fmt.Fprintf(&b, "  %s\n", s.faint.Render(strings.Join(facts, " · ")))
	}
	if len(e.Output) > 0 {
		b.WriteString("  last output:\n")
	}
	for _, line := range e.Output {
		fmt.Fprintf(&b, "  %s %s\n", s.faint.Render("│"), printable(line))
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "%s %s\n", s.warn.Render("hint:"), e.Hint)
	} else if _, ok := errors.AsType[usageError](err); ok && cmd != nil {
		fmt.Fprintf(&b, "%s %s --help\n", s.warn.Render("hint:"), cmd.CommandPath())
	}
	_, _ = io.WriteString(w, b.String()) // there is nowhere left to complain
}

// localError describes an error that was made here.
func localError(err error) *api.Error {
	e := &api.Error{Message: err.Error(), Hint: fn.Hint(err)}
	switch ms := fn.MistakesOf(err); len(ms) {
	case 0:
	case 1:
		e.Message = ms[0].Error()
	default:
		e.Message = fmt.Sprintf("%d things are wrong", len(ms))
		for _, m := range ms {
			e.Mistakes = append(e.Mistakes, m.Error())
		}
	}
	return e
}

// printable keeps what a function printed from steering the terminal.
func printable(line string) string { return strings.Map(harmless, line) }

func harmless(r rune) rune {
	if r < 0x20 && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
		return '\uFFFD'
	}
	return r
}
