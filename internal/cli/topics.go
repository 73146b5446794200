package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"rouse.dev/rouse/internal/fn"
)

// exitCodesTopic is "rouse help exit-codes".
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Exit codes tell scripts what kind of error it was:\n\n  0   it worked\n")
	for _, row := range []struct {
		kind fn.Kind
		text string
	}{
		{fn.Internal, "a bug, or a broken host"},
		{fn.Invalid, "the request can never work like this"},
		{fn.Denied, "no account, a wrong password, or not allowed"},
		{fn.NotFound, "there is no such function, revision, file …"},
		{fn.Conflict, "it exists already, or changed meanwhile"},
		{fn.TooLarge, "over a size limit"},
		{fn.Exhausted, "a limit or a queue is full; later it may work"},
		{fn.NoRoom, "the server's disk, or a queue on it, is full; nothing was accepted"},
		{fn.Unavailable, "the server or the function cannot be reached or started"},
		{fn.Failed, "the function was reached and answered with an error"},
		{fn.Timeout, "the deadline passed"},
		{fn.Canceled, "interrupted"},
	} {
		fmt.Fprintf(&b, "  %-3d %s\n", fn.ExitCode(row.kind), row.text)
	}
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}

// environmentTopic is "rouse help environment".
func environmentTopic() *cobra.Command {
	return &cobra.Command{Use: "environment", Short: "Variables that are read", Long: `Variables that commands read:

  ROUSE_URL       server to talk to, such as http://127.0.0.1:8080
  ROUSE_DATA      data folder of the server on this machine; address and password are found there
  ROUSE_USER      account, admin if not set
  ROUSE_PASSWORD  its password; needed for a server on another machine
  ROUSE_CONFIG    configuration file

  OPENFAAS_TEMPLATE_URL        repository of language templates
  OPENFAAS_TEMPLATE_STORE_URL  list of a template store
  OPENFAAS_PREFIX              what images of new functions begin with

  NO_COLOR        no colours

Every setting of the server has a variable too: rouse config --docs lists them.`}
}

// stackTopic is "rouse help stack-files".
func stackTopic() *cobra.Command {
	return &cobra.Command{Use: "stack-files", Short: "OpenFaaS's stack.yaml and templates", Long: `A stack file (stack.yaml) lists functions as OpenFaaS's faas-cli has them:

  version: 1.0
  provider: {name: openfaas}
  functions:
    hello:
      lang: python3-http      # a folder of template/, or dockerfile
      handler: ./hello
      image: example/hello:latest
      environment: {MODE: ${MODE:-test}}

  rouse template pull URL               fetch language templates
  rouse new hello --template python3-http   write a function and its stack file
  rouse deploy                          deploy all functions of stack.yaml
  rouse deploy -f stack.yaml hello      deploy one
  rouse deploy --filter 'image-*' --parallel 4
  rouse deploy --shrinkwrap             only write the build contexts, to build/

Paths begin in the working folder if all functions are found there, else in the
file's own. Functions with skip_build, or without a handler, are deployed by
their image. The server is the one that --url or ROUSE_URL names, else the one
of provider.gateway if that is not the default, else the one on this machine.
docs/stack.md says all of it.`}
}
