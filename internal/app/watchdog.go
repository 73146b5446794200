package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/watchdog"
	"rouse.dev/rouse/internal/watchdog/fork"
	"rouse.dev/rouse/internal/watchdog/openfaas"
)

const watchdogUsage = "rouse watchdog [--of | --classic] [-version] [-run-healthcheck], or rouse watchdog -- PROGRAM ARGS"

// supervise is "rouse watchdog": what serves the calls of a function inside
// its sandbox or its container.
func supervise(ctx context.Context, p Process) int {
	args := p.Args[2:]
	var err error
	if len(args) > 0 && (args[0] == "--" || !strings.HasPrefix(args[0], "-")) {
		err = watchdog.Run(ctx, watchdog.Config{Command: trimDashes(args)})
	} else {
		err = openFaaS(ctx, p, args)
	}
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		if hint := fn.Hint(err); hint != "" {
			fmt.Fprintln(p.Stderr, "hint:", hint)
		}
	}
	return fn.ExitCode(err)
}

func trimDashes(args []string) []string {
	if args[0] == "--" {
		return args[1:]
	}
	return args
}

// openFaaS is the program in the place of one of the OpenFaaS watchdogs, with
// their flags.
func openFaaS(ctx context.Context, p Process, args []string) error {
	contract := openfaas.OfWatchdog
	for _, arg := range args {
		switch strings.TrimPrefix(arg, "-") {
		case "-of", "of":
		case "-classic", "classic":
			contract = openfaas.Classic
		case "-help", "help", "h":
			fmt.Fprintf(p.Stdout, "Serve the calls of a function's program: %s\ndocs/watchdog.md lists the variables it reads.\n", watchdogUsage)
			return nil
		case "-version", "version":
			fmt.Fprintln(p.Stdout, p.Version)
			return nil
		case "-run-healthcheck", "run-healthcheck":
			if !openfaas.Healthy(os.Environ()) {
				return fn.Errorf(fn.Internal, "no lock file: the watchdog takes no requests")
			}
			return nil
		default:
			return fn.WithHint(fn.Errorf(fn.Invalid, "watchdog: unknown flag %s", arg),
				"%s", watchdogUsage)
		}
	}
	l, err := inheritedListener(p)
	if err != nil {
		return err
	}
	return openfaas.Run(ctx, openfaas.Options{Contract: contract, Env: os.Environ(), Listener: l, Stdout: p.Stdout, Stderr: p.Stderr})
}

// inheritedListener is the socket the platform passed to this process, nil if
// it passed none.
func inheritedListener(p Process) (net.Listener, error) {
	fds, _ := p.Lookup("LISTEN_FDS")
	pid, _ := p.Lookup("LISTEN_PID")
	if fds != "1" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	return fork.Inherited()
}
