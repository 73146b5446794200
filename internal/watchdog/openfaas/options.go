package openfaas

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"time"

	"rouse.dev/rouse/internal/watchdog/fork"
)

// Contract is one of the two watchdogs.
type Contract int

// The contracts.
const (
	OfWatchdog Contract = iota // modes http, streaming, serializing, static
	Classic                    // a program for each request, its output buffered
)

// Options say how to serve.
type Options struct {
	Contract Contract
	Env      []string     // this process's environment: the settings, and what programs get
	Listener net.Listener // the platform's socket; nil: listen on "port", and on "metrics_port" for metrics

	Stdout, Stderr io.Writer // get what the function prints; the watchdog's own lines go to Stderr
}

// Run serves until ctx ends, then drains and returns nil. It is Invalid, with
// every mistake of the settings at once, if it could not begin; Failed when the
// function's own server ended.
func Run(ctx context.Context, o Options) error {
	s, err := readSettings(o.Contract, o.Env)
	if err != nil {
		return err
	}
	w := &watchdog{settings: s, hosted: o.Listener != nil, kids: fork.NewChildren(), env: fork.BaseEnv(o.Env)}
	w.log = &logger{out: fork.NewLog(o.Stdout), err: fork.NewLog(o.Stderr), tagged: w.hosted}
	return w.run(ctx, o.Listener)
}

// Healthy reports whether a watchdog with this environment has its lock file,
// as "-run-healthcheck" asks.
func Healthy(env []string) bool {
	return lockThere(lockFile(variables(env)))
}

// lockFile is there while a watchdog takes requests.
func lockFile(v variablesOf) string {
	dir := v["TMPDIR"]
	if dir == "" {
		dir = "/tmp"
	}
	return filepath.Join(dir, ".lock")
}

// stopGrace is how long the function's own server has to end after SIGTERM,
// when no request is left.
const stopGrace = 5 * time.Second
