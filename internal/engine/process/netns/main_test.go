package netns

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// The tests change interfaces, routes, firewall and switches of "the host".
// So that this is never the real one, the test binary runs itself again in a
// network namespace of its own: everything below happens there.
const (
	envPrivate = "ROUSE_TEST_PRIVATE_HOST"
	envHold    = "ROUSE_TEST_HOLD" // become a server that makes sandboxes and waits to be killed
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envHold) != "":
		os.Exit(hold(os.Getenv(envHold)))
	case os.Getuid() == 0 && os.Getenv(envPrivate) == "":
		os.Exit(again())
	}
	if os.Getenv(envPrivate) != "" {
		if err := raise(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

func again() int {
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Env = append(os.Environ(), envPrivate+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err := c.Run()
	if err != nil && c.ProcessState == nil {
		fmt.Fprintln(os.Stderr, "cannot make a private host for the tests:", err)
		return 1
	}
	if code := c.ProcessState.ExitCode(); code >= 0 {
		return code
	}
	return 1
}

// hold is a server that gets killed: it acquires three networks, says so and
// waits until its standard input ends.
func hold(serverID string) int {
	m, err := New(Config{ServerID: serverID})
	if err == nil {
		for range 3 {
			if _, err = m.Acquire(context.Background(), true); err != nil {
				break
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("holding")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// needRoot skips a test that needs the private host.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getenv(envPrivate) == "" {
		t.Skip("needs root: it makes network namespaces, interfaces and firewall rules")
	}
}

// newManager makes a manager on the private host and closes it with the test.
func newManager(t testing.TB, change func(*Config)) *Manager {
	t.Helper()
	needRoot(t)
	cfg := Config{ServerID: t.Name(), Spares: -1}
	if change != nil {
		change(&cfg)
	}
	m, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error("closing:", err)
		}
	})
	return m
}

func acquire(t testing.TB, m *Manager, on bool) *Netns {
	t.Helper()
	n, err := m.Acquire(t.Context(), on)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Release)
	return n
}

// readSwitch returns a forwarding switch of the private host.
func readSwitch(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func contextWithCancel(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(t.Context()))
}
