package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// serverEnv holds the orders of a test binary that plays a server which will
// be killed.
const serverEnv = "ROUSE_TEST_SERVER"

type orders struct {
	Config   Config
	Programs string
}

// serve starts instances of several kinds, prints their host pids and waits
// to be killed.
func serve() int {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv(serverEnv)), &o); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	e, err := New(o.Config)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	for n, args := range [][]string{{"ignore-term"}, {"deaf-to-parent"}, {"deaf-to-parent"}} {
		out := newBuffer()
		spec := engine.Spec{
			ID: fmt.Sprintf("k%d", n), Revision: fn.RevisionRef{Ref: fn.Ref{Name: "k"}}, Root: o.Programs, Limits: fn.Default().Limits,
			Network: fn.NetworkOff, Program: fn.Program{Command: append([]string{"/function/probe"}, args...), Listen: fn.ListenSocket}, Stdout: out, Stderr: out,
		}
		i, err := e.Start(context.Background(), spec)
		if err != nil {
			fmt.Println("error:", err)
			return 1
		}
		for !strings.Contains(out.String(), "ready") {
			<-out.news
		}
		if n == 2 {
			if err := i.(engine.Freezer).Freeze(context.Background()); err != nil {
				fmt.Println("error:", err)
				return 1
			}
		}
		fmt.Println("pid", i.(*instance).pid)
	}
	fmt.Println("level", e.level)
	<-make(chan struct{})
	return 0
}

// startServer runs serve in a process of its own and returns it with the pids
// of its instances.
func startKilledServer(t *testing.T, o orders, cred *syscall.Credential) (*exec.Cmd, []int) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(testBinary(t, o.Programs), "-test.run=^$")
	cmd.Env = []string{serverEnv + "=" + string(text), "PATH=/usr/bin:/bin", "GOMAXPROCS=2"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pids []int
	started := map[int]string{} // when: a number may be given to another process
	t.Cleanup(func() {          // if the test failed before it could recover them
		for pid, start := range started {
			if st, ok := readStat(pid); ok && st.start == start {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "level ") {
			t.Log("the server runs at", line)
			break
		}
		var pid int
		if _, err := fmt.Sscanf(line, "pid %d", &pid); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatal("the server says: ", line)
		}
		pids = append(pids, pid)
		if st, ok := readStat(pid); ok {
			started[pid] = st.start
		}
	}
	return cmd, pids
}

// testBinary copies the running test to where every user may execute it.
func testBinary(t *testing.T, dir string) string {
	t.Helper()
	to := dir + "/process.test"
	if _, err := os.Stat(to); err == nil {
		return to
	}
	src, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(dst, src); err != nil {
		t.Fatal(err)
	}
	if err := dst.Close(); err != nil {
		t.Fatal(err)
	}
	return to
}

// nobody is a user without rights.
var nobody = syscall.Credential{Uid: 65534, Gid: 65534}

func TestRecoverAfterKill(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: servers of every level are started")
	}
	for _, level := range []plan.Level{plan.Full, plan.User, plan.Landlock} {
		t.Run(string(level), func(t *testing.T) {
			cfg := testConfig(t)
			cfg.Level = level
			cfg.RunDir = worldDir(t)
			o := orders{Config: cfg, Programs: testPrograms(t)}
			var cred *syscall.Credential
			if level != plan.Full {
				cred = &nobody
			}
			for range 3 {
				if cred != nil {
					chownAll(t, cfg.RunDir, int(cred.Uid))
				}
				cmd, pids := startKilledServer(t, o, cred)
				if len(pids) != 3 {
					t.Fatalf("%d instances", len(pids))
				}
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				awaitGone(t, pids[0]) // it asked to die with the server
				survivors := 0
				for _, pid := range pids[1:] {
					if _, ok := readStat(pid); ok {
						survivors++
					}
				}
				if survivors == 0 {
					t.Error("nothing survived the server: the test shows nothing")
				}
				chownAll(t, cfg.RunDir, 0) // it comes back as this user
				e, err := New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				l, err := e.Recover(t.Context())
				if err != nil || l.Processes < survivors {
					t.Errorf("recovered %+v, %d survived, error %v; %+v", l, survivors, err, e.groups.Checks())
				}
				for _, pid := range pids {
					awaitGone(t, pid)
				}
				if l, err = e.Recover(t.Context()); err != nil || l != (engine.Leftovers{}) {
					t.Errorf("recovered again: %+v, %v", l, err)
				}
				if out, _ := run(t, e, command("k0", "echo", "fine")); out != "fine\n" {
					t.Errorf("after recovery: %q", out)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// worldDir is a folder that nobody may use.
func worldDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rouse-process-run-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chown(dir, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func chownAll(t *testing.T, dir string, uid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// awaitGone waits until a process has ended. Its parent may be slow to fetch
// it, so a zombie counts as gone.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		s, ok := readStat(pid)
		if !ok || s.state == 'Z' || s.state == 'X' {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there, in state %c", pid, s.state)
		}
	}
}

// TestOtherLevels runs the tests that do not depend on a level again, as a
// user without rights.
func TestOtherLevels(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: it becomes nobody")
	}
	programs := testPrograms(t)
	for _, level := range []plan.Level{plan.User, plan.Landlock} {
		t.Run(string(level), func(t *testing.T) {
			cmd := exec.Command(testBinary(t, programs), "-test.run=^TestUnprivileged", "-test.v", "-test.timeout=120s")
			cmd.Env = []string{"ROUSE_TEST_LEVEL=" + string(level), "ROUSE_TEST_PROGRAMS=" + programs, "TMPDIR=" + worldDir(t), "PATH=/usr/bin:/bin"}
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &nobody}
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil || strings.Contains(string(out), "SKIP") || !strings.Contains(string(out), "PASS") {
				t.Error(err)
			}
		})
	}
}
