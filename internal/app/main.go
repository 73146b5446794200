package app

import (
	"context"
	"os"

	"golang.org/x/term"

	"rouse.dev/rouse/internal/cli"
)

// Process is what the program has of the process it runs in.
type Process struct {
	Args           []string                    // os.Args
	Version        string                      // of the program
	Lookup         func(string) (string, bool) // os.LookupEnv
	Stdin          *os.File
	Stdout, Stderr *os.File
}

// Main runs the program and returns its exit code.
func Main(ctx context.Context, p Process) int {
	if len(p.Args) > 1 && p.Args[1] == "watchdog" {
		return supervise(ctx, p)
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	return cli.Main(ctx, cli.Deps{
		In: p.Stdin, Out: p.Stdout, Err: p.Stderr,
		InData:      isData(p.Stdin),
		OutTerminal: isTerminal(p.Stdout), ErrTerminal: isTerminal(p.Stderr),
		Env: p.Lookup, Dir: dir, Root: os.Geteuid() == 0, Version: p.Version,
		Up: serverOf(p).Up, Doctor: serverOf(p).Doctor,
	}, p.Args[1:])
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// isData reports whether a stream is a pipe or a file, so that what it holds
// was put there on purpose.
func isData(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && (info.Mode().IsRegular() || info.Mode()&os.ModeNamedPipe != 0)
}
