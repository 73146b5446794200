package openfaas

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// hold opens what tells of the end of each process.
func hold(t *testing.T, pids []int) map[int]int {
	t.Helper()
	fds := map[int]int{}
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		fds[pid] = fd
	}
	return fds
}

// gone waits until the processes have ended.
func gone(t *testing.T, fds map[int]int) {
	t.Helper()
	for pid, fd := range fds {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		if n != 1 {
			t.Errorf("process %d still lives: %v", pid, err)
		}
		unix.Close(fd)
	}
}

// holds counts what a process has: descriptors, children dead or alive.
func holds(t *testing.T, pid int) (fds, children int) {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		children += len(strings.Fields(string(b)))
	}
	return len(entries), children
}

// TestManyForksLeaveNothing also relies on the watchdog's own check for
// goroutines when it ends.
func TestManyForksLeaveNothing(t *testing.T) {
	requests := 10_000
	if raceEnabled {
		requests = 500
		t.Logf("%d requests instead of 10,000: the race detector makes each of them slow", requests)
	}
	r := start(t, "of", "log_requests=false", "fprocess=cat")
	one := func(body string) error {
		res, err := r.Post(r.url, "text/plain", strings.NewReader(body))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if got, err := io.ReadAll(res.Body); err != nil || string(got) != body || res.StatusCode != http.StatusOK {
			return fmt.Errorf("got %d %q, %w", res.StatusCode, got, err)
		}
		return nil
	}
	if err := one("first"); err != nil {
		t.Fatal(err)
	}
	const callers = 4
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			for i := range requests / callers {
				if err := one(fmt.Sprint(n, i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := one("last"); err != nil {
		t.Fatal(err)
	}
	fds, children := holds(t, r.cmd.Process.Pid)
	if fds > 20 || children != 0 {
		t.Errorf("after %d requests: %d descriptors, %d children", requests, fds, children)
	}
}

// TestGrandchildrenAreReaped is about what left its process group and lost its
// parent: it becomes the watchdog's child.
func TestGrandchildrenAreReaped(t *testing.T) {
	t.Parallel()
	r := start(t, "of", "fprocess="+script(t, "for i in 1 2 3; do (setsid true &); done; cat"))
	for range 20 {
		if a := r.ask("POST", "/", strings.NewReader("x")); a.body != "x" {
			t.Fatalf("got %d %q", a.status, a.body)
		}
	}
	// Each end is signalled and then collected: the next request sees it.
	for range 1000 {
		if _, children := holds(t, r.cmd.Process.Pid); children == 0 {
			return
		}
		r.ask("POST", "/", nil)
	}
	t.Error("children are left")
}
