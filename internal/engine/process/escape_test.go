package process

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// refused fails the test for every line that does not say so, and wants n
// lines.
func refused(t *testing.T, out string, n int) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) < n {
		t.Errorf("%d attempts reported, want at least %d:\n%s", len(lines), n, out)
	}
	for _, l := range lines {
		if !strings.Contains(l, ": refused (") {
			t.Error("not refused:", l)
		}
	}
}

func TestSystemCallsAreRefused(t *testing.T) {
	e := newEngine(t)
	out, exit := run(t, e, probe(t, "calls", "calls"))
	refused(t, out, 50)
	if exit.Code != 0 {
		t.Errorf("exit %+v", exit)
	}
}

func TestFilesAreOutOfReach(t *testing.T) {
	e := newEngine(t)
	secret := filepath.Join(e.cfg.RunDir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	attempts := []string{
		"r:/etc/shadow", "r:" + secret, "l:" + e.cfg.RunDir, "l:/root", "l:/home", "l:/var/lib", "l:/run", "l:/sys", "l:/sys/fs/cgroup", "l:/boot",
		"r:/proc/kcore", "r:/proc/keys", "r:/proc/kallsyms", "r:/proc/iomem", "r:/proc/timer_list", "r:/proc/sched_debug", "l:/proc/acpi", "l:/proc/bus", "r:/proc/config.gz",
		"r:/proc/1/root/etc/shadow", "l:/proc/1/root/root", "l:/proc/self/cwd/../root",
		"w:/x", "w:/etc/passwd", "w:/etc/x", "w:/usr/bin/x", "w:/usr/x", "w:/function/x", "w:/function/probe", "w:/dev/x", "w:/var/x", "w:/run/x", "w:/proc/sysrq-trigger",
		"w:/proc/sys/kernel/core_pattern", "w:/proc/sys/kernel/hostname", "w:/proc/sys/vm/drop_caches", "w:/proc/self/oom_score_adj", "w:/proc/self/uid_map",
		"w:/proc/1/root/x", "w:/proc/self/root/function/x", "r:/dev/mem", "r:/dev/kmsg", "r:/dev/sda", "r:/dev/vda", "r:/dev/kvm", "r:/dev/tty", "r:/dev/ptmx",
	}
	out, _ := run(t, e, probe(t, "files", append([]string{"files"}, attempts...)...))
	refused(t, out, len(attempts))
	// The same program is granted what it may have, so "refused" means something.
	out, _ = run(t, e, probe(t, "files", "files", "r:/etc/passwd", "w:/tmp/x", "l:/function", "r:/proc/cpuinfo", "r:/proc/meminfo", "w:/dev/null", "l:/usr/lib"))
	if n := strings.Count(out, "GRANTED"); n != 7 {
		t.Errorf("%d of 7 harmless attempts granted:\n%s", n, out)
	}
}

func TestOtherFunctionsAreOutOfReach(t *testing.T) {
	e := newEngine(t)
	neighbour := command("neighbour", "bash", "-c", "echo secret > /tmp/secret; chmod 666 /tmp/secret; echo ready; cat /dev/zero > /dev/null")
	neighbour.Env = map[string]string{"TOKEN": "hunter2"}
	_, out := start(t, e, neighbour)
	out.await(t, "ready")
	got, _ := run(t, e, command("spy", "bash", "-c", `
		ls /tmp; ls -d /proc/[0-9]* | wc -l; cat /proc/[0-9]*/environ | tr '\0' '\n' | grep -c hunter2; cat /proc/net/unix | wc -l; ipcs -a 2>/dev/null | grep -c '^0x'`))
	// bash itself, ls and wc; nothing in /tmp; the header of /proc/net/unix.
	f := strings.Fields(got)
	if len(f) < 3 || f[0] > "4" || f[1] != "0" || f[2] != "1" {
		t.Errorf("a spy found %q", got)
	}
	us, err := e.uids.Acquire(fn.Ref{Namespace: "default", Name: "neighbour"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.uids.Release(fn.Ref{Namespace: "default", Name: "neighbour"})
	them, err := e.uids.Acquire(fn.Ref{Namespace: "default", Name: "spy"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.uids.Release(fn.Ref{Namespace: "default", Name: "spy"})
	if us == them {
		t.Error("two functions share a uid")
	}
}

func TestHostUidIsTheFunctionsOwn(t *testing.T) {
	e := newEngine(t)
	i, out := start(t, e, command("who", "bash", "-c", "echo ready; cat /dev/zero > /dev/null"))
	out.await(t, "ready")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.(*instance).pid))
	if err != nil {
		t.Fatal(err)
	}
	uid, err := e.uids.Acquire(fn.Ref{Namespace: "default", Name: "who"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.uids.Release(fn.Ref{Namespace: "default", Name: "who"})
	want := fmt.Sprintf("Uid:\t%[1]d\t%[1]d\t%[1]d\t%[1]d\n", uid)
	if uid < e.cfg.UIDBase || !strings.Contains(string(status), want) {
		t.Errorf("uid %d, status:\n%s", uid, status)
	}
	for _, line := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", "Groups:\t \n"} {
		if !strings.Contains(string(status), line) {
			t.Errorf("status lacks %q", line)
		}
	}
}

func TestSuidProgramsGainNothing(t *testing.T) {
	e := newEngine(t)
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile("/usr/bin/id")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/id", data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir+"/id", 0o4755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	spec := command("suid", "/function/id", "-u")
	spec.Root = dir
	if out, _ := run(t, e, spec); out != "1000\n" {
		t.Errorf("a set-user-id program ran as %q", out)
	}
}

// TestNothingLeaksIn looks at descriptors, environment and mounts of a program
// that has opened nothing itself.
func TestNothingLeaksIn(t *testing.T) {
	e := newEngine(t)
	// A descriptor of the server's that is not close-on-exec.
	var p [2]int
	if err := unix.Pipe2(p[:], 0); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	t.Setenv("ROUSE_ADMIN_PASSWORD", "hunter2")
	spec := command("leak", "sleep", "1000") // opens nothing
	spec.Root = testPrograms(t)
	spec.Env = map[string]string{"GREETING": "hello", "HOME": "/tmp/home", "LISTEN_FDS": "7"}
	spec.Program.Listen = fn.ListenSocket
	i, _ := start(t, e, spec)
	proc := fmt.Sprintf("/proc/%d/", i.(*instance).pid)
	awaitExec(t, proc)
	var fds []string
	entries, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range entries {
		link, err := os.Readlink(proc + "fd/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := strings.Cut(link, ":")
		fds = append(fds, f.Name()+"="+kind)
	}
	if got := strings.Join(fds, " "); got != "0=/dev/null 1=pipe 2=pipe 3=socket" {
		t.Errorf("descriptors %q", got)
	}
	environ, err := os.ReadFile(proc + "environ")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.ReplaceAll(string(environ), "\x00", " "), "GREETING=hello HOME=/tmp/home LISTEN_FDNAMES=http LISTEN_FDS=1 "+
		"LISTEN_PID=1 PATH=/usr/local/bin:/usr/bin:/bin TMPDIR=/tmp "; got != want {
		t.Errorf("environment %q, want %q", got, want)
	}
	mounts, err := os.ReadFile(proc + "mounts")
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if !strings.HasPrefix(f[1], "/proc/") {
			points = append(points, f[1]+"="+strings.Split(f[3], ",")[0])
		}
	}
	slices.Sort(points)
	if got, want := strings.Join(points, " "), "/=ro /function=ro /proc=ro /tmp=rw /usr=ro"; got != want {
		t.Errorf("mounts %q, want %q", got, want)
	}
}

func TestNetworkOffReachesNothing(t *testing.T) {
	e := newEngine(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	abstract, err := net.Listen("unix", "@rouse-test-"+filepath.Base(e.cfg.RunDir))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	out, _ := run(t, e, probe(t, "dial", "dial", "tcp:"+l.Addr().String(), "tcp:169.254.169.254:80", "tcp:1.1.1.1:80", "udp:8.8.8.8:53",
		"unix:"+abstract.Addr().String()))
	refused(t, out, 5)
}

func TestWritableMountBelongsToTheFunction(t *testing.T) {
	e := newEngine(t)
	work := t.TempDir()
	outside := t.TempDir() + "/outside"
	for name, data := range map[string]string{work + "/in": "x", outside: "y"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, work+"/link"); err != nil {
		t.Fatal(err)
	}
	spec := command("build", "bash", "-c", "cat in; echo made > out; chmod 6755 out || chmod 755 out; ls link; mkdir -p d/e; ls -A /cache")
	spec.Program.Dir = ""
	spec.Mounts = []engine.Mount{{Source: work, Target: "/function", Writable: true}, {Source: t.TempDir(), Target: "/cache/go"}}
	out, exit := run(t, e, spec)
	if exit.Code != 0 || !strings.HasPrefix(out, "x") || !strings.HasSuffix(out, "go\n") {
		t.Errorf("exit %+v, output %q", exit, out)
	}
	fi, err := os.Stat(work + "/out")
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 || owner(fi) < e.cfg.UIDBase {
		t.Errorf("a build left %v owned by %d", fi.Mode(), owner(fi))
	}
	if fi, err := os.Stat(outside); err != nil || owner(fi) != 0 {
		t.Errorf("a link was followed: owner %d, error %v", owner(fi), err)
	}
}

// awaitExec waits until the kernel has finished the exec: the server goes on
// as soon as the child no longer uses its memory, which is a little earlier.
func awaitExec(t *testing.T, proc string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if env, err := os.ReadFile(proc + "environ"); err == nil && len(env) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the program has no environment")
		}
	}
}

func TestLandlockAsRootHasNoCapabilities(t *testing.T) {
	e := newEngine(t, func(c *Config) { c.Level = plan.Landlock })
	out, exit := run(t, e, command("root", "bash", "-c", "grep -h Cap /proc/self/status; cat /etc/shadow; kill -0 $PPID"))
	if strings.Contains(out, "root:") || exit.Code == 0 {
		t.Errorf("output %q, exit %+v", out, exit)
	}
	i, _ := start(t, e, command("caps", "sleep", "1000"))
	awaitExec(t, fmt.Sprintf("/proc/%d/", i.(*instance).pid))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.(*instance).pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if !strings.Contains(string(status), name+":\t0000000000000000\n") {
			t.Errorf("%s is not empty:\n%s", name, status)
		}
	}
}
