package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Host is what the outside tells the probe, so that it knows what to try.
type Host struct {
	Pid      int    // of the test
	Marker   string // in the test's command line
	Hostname string
	Hidden   []string // files and folders that must not be seen
	Sockets  []string // Unix sockets that someone listens on
	Abstract string   // abstract Unix socket that someone listens on
	Refused  []string // TCP addresses that someone listens on
	Allowed  []string // environment variables that may be there
}

// Result is what came of an attempt.
type Result struct {
	Name    string
	Escaped bool
	Detail  string // what it got, or how it was stopped
}

// attempt tries something and returns what it got; nil means it was stopped,
// with the error as the reason.
type attempt func(Host) (got string, err error)

// escape runs every attempt in a process of its own, because some sandboxes
// kill for trying, and writes one result for each.
func escape(w io.Writer, r io.Reader) {
	host, err := io.ReadAll(r)
	check(err)
	for _, name := range attemptNames() {
		check(json.NewEncoder(w).Encode(inChild(name, host)))
	}
}

func inChild(name string, host []byte) Result {
	c := exec.Command(os.Args[0], "try", name)
	c.Stdin = bytes.NewReader(host)
	var out, diag bytes.Buffer
	c.Stdout, c.Stderr = &out, &diag
	err := c.Run()
	var res Result
	if err == nil {
		if err = json.Unmarshal(out.Bytes(), &res); err == nil {
			return res
		}
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status := exit.Sys().(syscall.WaitStatus)
		if status.Signal() == unix.SIGSYS || strings.Contains(diag.String(), "SIGSYS") {
			return Result{Name: name, Detail: "killed for trying"}
		}
	}
	return Result{Name: name, Escaped: true, Detail: fmt.Sprintf("the attempt itself broke: %v %s", err, diag.String())}
}

func attemptFromInput(name string) {
	var host Host
	check(json.NewDecoder(os.Stdin).Decode(&host))
	got, err := attempts()[name](host)
	res := Result{Name: name, Escaped: err == nil, Detail: got}
	if err != nil {
		res.Detail = err.Error()
	}
	check(json.NewEncoder(os.Stdout).Encode(res))
}
