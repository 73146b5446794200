package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

const (
	envPrivate = "ROUSE_ENGINETEST_PRIVATE"
	envHold    = "ROUSE_ENGINETEST_HOLD"
)

// Main runs an engine's tests; TestMain calls it. As root it does so on a
// private host: a network and a mount table of the tests' own. It is also
// what becomes of the test binary when the suite needs a server to kill.
// Goroutines that are left at the end fail the tests.
func Main(m *testing.M, open Open) {
	switch {
	case os.Getenv(envHold) != "":
		os.Exit(hold(open))
	case os.Getuid() == 0 && os.Getenv(envPrivate) == "":
		os.Exit(again())
	}
	if os.Getenv(envPrivate) != "" {
		if err := settleIn(); err != nil {
			fmt.Fprintln(os.Stderr, "making a private host:", err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

func again() int {
	c := &exec.Cmd{Path: "/proc/self/exe", Args: os.Args, Env: append(os.Environ(), envPrivate+"=1")}
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := c.Run(); err != nil && c.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "making a private host:", err)
		return 1
	}
	if code := c.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	return 1
}

// settleIn makes the private host usable. What the test binary inherited is
// kept from the programs under test.
func settleIn() error {
	for fd := 3; fd < 1024; fd++ {
		unix.CloseOnExec(fd)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// hold is the server that gets killed.
func hold(open Open) int {
	if err := startAll(open); err != nil {
		fmt.Fprintln(os.Stderr, "the server to be killed:", err)
		return 1
	}
	fmt.Println("holding")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func startAll(open Open) error {
	var h held
	if err := json.NewDecoder(os.Stdin).Decode(&h); err != nil {
		return err
	}
	e, err := open(h.ID)
	if err != nil {
		return err
	}
	ctx := context.Background() // this is a program's main
	if _, err := e.Recover(ctx); err != nil {
		return err
	}
	for _, spec := range h.Specs {
		if _, err := e.Start(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}
