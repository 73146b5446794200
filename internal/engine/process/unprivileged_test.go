package process

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// newLowEngine makes an engine of the level TestOtherLevels asks for.
func newLowEngine(t *testing.T) *Engine {
	t.Helper()
	level := plan.Level(os.Getenv("ROUSE_TEST_LEVEL"))
	if level == "" {
		t.Skip("run by TestOtherLevels, as a user without rights")
	}
	e := newAnyEngine(t, func(c *Config) { c.Level = level })
	if e.level != level {
		t.Fatalf("level %q, want %q; %+v", e.level, level, e.checks)
	}
	return e
}

func TestUnprivilegedReport(t *testing.T) {
	e := newLowEngine(t)
	r := e.Report(t.Context())
	if r.Level != os.Getenv("ROUSE_TEST_LEVEL") || len(r.Checks) < 5 {
		t.Errorf("%+v", r)
	}
	for _, c := range r.Checks {
		if !c.OK && c.Detail == "" {
			t.Errorf("%s failed without a reason", c.Name)
		}
	}
}

func TestUnprivilegedRun(t *testing.T) {
	e := newLowEngine(t)
	out, exit := run(t, e, command("r", "bash", "-c", "echo $HOME; echo x > $HOME/x; cat $HOME/x; exit 4"))
	f := strings.Fields(out)
	if exit.Code != 4 || len(f) != 2 || f[1] != "x" || e.level == plan.User && f[0] != "/tmp" {
		t.Errorf("output %q, exit %+v", out, exit)
	}
	for name, code := range map[string][]string{
		"python3": {"-c", "import subprocess, tempfile, threading; tempfile.NamedTemporaryFile().write(b'x'); print(subprocess.run(['echo','42'],capture_output=True,text=True).stdout)"},
		"node":    {"-e", "require('fs').writeFileSync(process.env.HOME + '/y', ''); console.log(42)"},
		"ruby":    {"-e", "puts `echo 42`"},
	} {
		t.Run(name, func(t *testing.T) {
			need2(t, name)
			out, exit := run(t, e, command("i-"+name, append([]string{name}, code...)...))
			if strings.TrimSpace(out) != "42" || exit.Code != 0 {
				t.Errorf("output %q, exit %+v", out, exit)
			}
		})
	}
}

func need2(t *testing.T, program string) {
	if _, err := os.Stat(filepath.Join("/usr/bin", program)); err != nil {
		t.Logf("%s is not installed: not tried", program)
		t.FailNow()
	}
}

func TestUnprivilegedServer(t *testing.T) {
	e := newLowEngine(t)
	want := "hello from 1000"
	if e.level == plan.Landlock {
		want = "hello from " + strconv.Itoa(os.Getuid())
	}
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort} {
		t.Run(string(listen), func(t *testing.T) {
			i, out := start(t, e, server(t, "s", listen))
			var body string
			var err error
			if listen == fn.ListenSocket {
				body, err = ask(i)
			} else {
				body = askUntilListening(t, i)
			}
			if err != nil || body != want {
				t.Errorf("body %q, error %v, output %s", body, err, out.String())
			}
			f := i.(engine.Freezer)
			if err := f.Freeze(t.Context()); err != nil {
				t.Error(err)
			}
			if err := f.Thaw(t.Context()); err != nil {
				t.Error(err)
			}
			if body, err := ask(i); err != nil || body != want {
				t.Errorf("after a thaw: %q, %v", body, err)
			}
			if u, err := i.(engine.Meter).Usage(); err != nil || u.Memory == 0 || u.Pids == 0 {
				t.Errorf("usage %+v, %v", u, err)
			}
			if err := i.Stop(t.Context(), 10*time.Second); err != nil || i.Exit().Code != 0 {
				t.Errorf("exit %+v, error %v", i.Exit(), err)
			}
		})
	}
}

func TestUnprivilegedEscapes(t *testing.T) {
	e := newLowEngine(t)
	out, _ := run(t, e, probe(t, "calls", "calls"))
	if e.level == plan.Landlock {
		// Harmless: there is nothing to keep.
		out = strings.Replace(out, "keep capabilities: GRANTED\n", "", 1)
	}
	refused(t, out, 50)
	secret := filepath.Join(e.cfg.RunDir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	attempts := []string{
		"files", "r:/etc/shadow", "r:" + secret, "l:" + e.cfg.RunDir, "l:/root", "l:/home", "l:/var/lib", "l:/sys/fs/cgroup",
		"w:/x", "w:/etc/x", "w:/usr/x", "w:/function/x", "w:" + testPrograms(t) + "/x", "w:/dev/x", "w:/var/tmp/../x", "w:" + e.cfg.RunDir + "/x",
		"r:/proc/" + strconv.Itoa(os.Getppid()) + "/environ", "w:/proc/sys/kernel/core_pattern", "r:/dev/mem", "l:" + os.TempDir(),
	}
	out, _ = run(t, e, probe(t, "files", attempts...))
	refused(t, out, len(attempts)-1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, _ = run(t, e, probe(t, "dial", "dial", "tcp:"+l.Addr().String(), "tcp:1.1.1.1:80", "udp:8.8.8.8:53"))
	refused(t, out, 3)
}

func TestUnprivilegedStop(t *testing.T) {
	e := newLowEngine(t)
	i, out := start(t, e, probe(t, "deaf", "ignore-term"))
	out.await(t, "ready")
	if err := i.Stop(t.Context(), 50*time.Millisecond); err != nil || i.Exit().Signal != "killed" {
		t.Errorf("exit %+v, error %v", i.Exit(), err)
	}
	i, out = start(t, e, command("default", "bash", "-c", "echo ready; cat /dev/zero > /dev/null"))
	out.await(t, "ready")
	if err := i.Stop(t.Context(), time.Minute); err != nil || i.Exit().Signal != "terminated" {
		t.Errorf("exit %+v, error %v", i.Exit(), err)
	}
	if out, exit := run(t, e, command("orphans", "bash", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")); exit.Code != 0 || out == "" {
		t.Errorf("exit %+v, output %q", exit, out)
	}
}

// TestUnprivilegedFiles: without rights, too, a private file is there for its
// instance alone and in memory only. A level that mounts nothing tells the
// program another path.
func TestUnprivilegedFiles(t *testing.T) {
	e := newLowEngine(t)
	spec := func(id, marker string) engine.Spec {
		s := command(id, "bash", "-c", `
			cat $PLACE/key; stat -c ' %a' $PLACE/key
			for f in $PLACE/key $PLACE/new; do (echo x > $f) 2>/dev/null && echo wrote $f; done
			rm -f $PLACE/key 2>/dev/null; mv $PLACE/key $PLACE/other 2>/dev/null
			cat $PLACE/key; echo; cat $OTHER/key 2>/dev/null; ls $AGAIN; ls /dev/shm 2>/dev/null; echo end; exec sleep 1000`)
		s.Env = map[string]string{"PLACE": "/var/one", "AGAIN": "/var/two"}
		s.Files = []engine.File{{Path: "/var/one/key", Data: []byte(marker)}, {Path: "/var/two/key", Data: []byte(marker)}}
		return s
	}
	_, first := start(t, e, spec("a", "first-marker"))
	first.await(t, "first-marker\n")
	second := spec("b", "second-marker")
	if e.level == plan.Landlock {
		second.Env["OTHER"] = filepath.Join(e.cfg.shm(), "a", "0")
	}
	i, out := start(t, e, second)
	const want = "second-marker 400\nsecond-marker\nkey\nend\n"
	out.await(t, want)
	if e.level == plan.Landlock {
		if _, err := os.Stat(filepath.Join(e.cfg.shm(), "b", "0", "key")); err != nil {
			t.Error("it is not where it should be:", err)
		}
	}
	if err := i.Stop(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != want {
		t.Errorf("it said %q, want %q", got, want)
	}
	if left, err := os.ReadDir(filepath.Join(e.cfg.shm(), "b")); err == nil {
		t.Errorf("left in memory: %v", left)
	}
}

func TestUnprivilegedFilesOfAKilledServerGo(t *testing.T) {
	e := newLowEngine(t)
	if e.level != plan.Landlock {
		return // the kernel does it
	}
	dir, err := e.cfg.openShm()
	if err == nil {
		err = errors.Join(os.Mkdir(filepath.Join(dir, "left"), 0o700), os.WriteFile(filepath.Join(dir, "left", "key"), []byte("x"), 0o400))
	}
	if err != nil {
		t.Fatal(err)
	}
	if l, err := e.Recover(t.Context()); err != nil || l.Files != 1 {
		t.Errorf("recovered %+v, %v", l, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder is still there")
	}
	if err := os.Mkdir(dir, 0o755); err != nil { // as somebody else might
		t.Fatal(err)
	}
	s := command("x", "true")
	s.Files = []engine.File{{Path: "/var/one/key", Data: []byte("x")}}
	if _, err := e.Start(t.Context(), s); fn.KindOf(err) != fn.Unavailable {
		t.Errorf("in a folder that is open to others: %v", err)
	}
}
