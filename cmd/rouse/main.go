// Command rouse is a serverless platform in one program: the server, its
// command line, the supervisor of forked functions.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"rouse.dev/rouse/internal/app"
)

// version is set when a release is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := app.Main(ctx, app.Process{
		Args: os.Args, Version: version, Lookup: os.LookupEnv,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}
