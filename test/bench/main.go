// Command bench measures a built rouse beside its peers in one run: the bare
// function, nginx as a proxy, the bare interpreters, an embedded NATS server.
//
// Every comparison alternates between the sides, so that a machine that
// changes its speed does so for both, and prints medians with their ratios.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	rouse  string        // the binary
	rounds int           // alternations of each comparison
	period time.Duration // of load in each alternation
	colds  int           // cold starts of each kind
	only   string        // names of the parts to run, comma-separated
}

func main() {
	var o options
	flag.StringVar(&o.rouse, "rouse", "bin/rouse", "the binary to measure")
	flag.IntVar(&o.rounds, "rounds", 5, "alternations of each comparison")
	flag.DurationVar(&o.period, "period", 3*time.Second, "load in each alternation")
	flag.IntVar(&o.colds, "colds", 50, "cold starts of each kind")
	flag.StringVar(&o.only, "only", "warm,openfaas,cold,many,fork,port,async,queue", "parts to run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "rb")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if os.Geteuid() != 0 {
		fmt.Println("note: not root, so without the full sandbox; the figures are not those of a real installation")
	}
	if err := onHost(ctx, dir, o); err != nil {
		return err
	}
	if o.wants("queue") {
		if err := queued(ctx, dir, o); err != nil {
			return fmt.Errorf("queue: %w", err)
		}
	}
	return nil
}

// wants reports whether a part is to be run.
func (o options) wants(part string) bool { return strings.Contains(","+o.only+",", ","+part+",") }

// onHost runs the parts that need a server.
func onHost(ctx context.Context, dir string, o options) error {
	parts := []part{{"warm", warm}, {"openfaas", openfaas}, {"cold", cold}, {"many", many}, {"fork", fork}, {"port", port}, {"async", async}}
	parts = slices.DeleteFunc(parts, func(p part) bool { return !o.wants(p.name) })
	if len(parts) == 0 {
		return nil
	}
	h, err := newHost(ctx, o.rouse, dir)
	if err != nil {
		return err
	}
	defer h.close()
	for _, p := range parts {
		if err := p.run(ctx, h, o); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// part is a part that needs a server.
type part struct {
	name string
	run  func(context.Context, *host, options) error
}
