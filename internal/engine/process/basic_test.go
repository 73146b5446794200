package process

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func TestProgramSeesItsOwnLittleWorld(t *testing.T) {
	e := newEngine(t)
	out, exit := run(t, e, command("a", "bash", "-c", "echo $HOME; id -un; hostname; echo $$; exit 3"))
	if want := "/tmp\nfn\nfn\n1\n"; out != want {
		t.Errorf("output %q, want %q", out, want)
	}
	if exit.Code != 3 || exit.Signal != "" || exit.OOM || exit.Limit != "" || exit.CPU <= 0 {
		t.Errorf("exit %+v, want code 3 and some processor time", exit)
	}
}

func TestInterpretersRun(t *testing.T) {
	e := newEngine(t)
	for name, args := range map[string][]string{
		"python3": {"-c", "import threading, subprocess, multiprocessing, tempfile, ssl, socket\n" +
			"t = threading.Thread(target=lambda: None); t.start(); t.join()\n" +
			"assert multiprocessing.Value('i', 7).value == 7\n" +
			"tempfile.NamedTemporaryFile().write(b'x')\n" +
			"a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'\n" +
			"assert ssl.create_default_context().cert_store_stats()['x509_ca'] > 0\n" +
			"print(subprocess.run(['/bin/echo', '42'], capture_output=True, text=True).stdout.strip())"},
		"node": {"-e", "const w = require('worker_threads'); new w.Worker('1', {eval: true}).on('exit', () => {" +
			"let f = (n) => n < 2 ? n : f(n-1) + f(n-2); f(25); require('fs').writeFileSync('/tmp/x', 'y');" +
			"require('os').networkInterfaces(); console.log(require('child_process').execFileSync('/bin/echo', ['42']).toString().trim())})"},
		"ruby": {"-e", "require 'socket'; require 'tempfile'; Thread.new { 1 }.join; Tempfile.new('a').write('b'); puts `echo 42`"},
		"bash": {"-c", "x=$(echo 6 | cat); ( exit 0 ); cat <(echo) >/dev/null; echo 42 > /dev/stdout"},
		"perl": {"-e", "print 6*7, qq(\\n)"},
		"java": {"-XshowSettings:vm", "--version"},
	} {
		t.Run(name, func(t *testing.T) {
			need(t, name)
			spec := command("i-"+name, append([]string{name}, args...)...)
			spec.Limits.Memory = 1 << 30
			out, exit := run(t, e, spec)
			if exit.Code != 0 || name != "java" && strings.TrimSpace(out) != "42" {
				t.Errorf("output %q, exit %+v", out, exit)
			}
		})
	}
}

func client(i engine.Instance) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return i.Dial(ctx) },
	}}
}

func server(t testing.TB, id string, listen fn.Listen) engine.Spec {
	s := command(id, "./server")
	s.Root, s.Program.Listen, s.Program.Dir = testPrograms(t), listen, ""
	return s
}

// ask returns the body of the program's answer.
func ask(i engine.Instance) (string, error) {
	res, err := client(i).Get("http://fn/hello")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// askUntilListening asks until the connection is no longer refused.
func askUntilListening(t testing.TB, i engine.Instance) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		body, err := ask(i)
		if err == nil {
			return body
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestServerAnswers(t *testing.T) {
	e := newEngine(t)
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort} {
		t.Run(string(listen), func(t *testing.T) {
			i, out := start(t, e, server(t, "s", listen))
			var body string
			if listen == fn.ListenSocket { // no waiting: the kernel holds the connection
				var err error
				if body, err = ask(i); err != nil {
					t.Fatal(err, out.String())
				}
			} else {
				body = askUntilListening(t, i)
			}
			if body != "hello from 1000" {
				t.Errorf("body %q", body)
			}
			if err := i.Stop(t.Context(), 10*time.Second); err != nil {
				t.Error(err)
			}
			if x := i.Exit(); x.Code != 0 || x.Signal != "" {
				t.Errorf("exit %+v, want 0 after SIGTERM; output %s", x, out.String())
			}
			if _, err := i.Dial(t.Context()); fn.KindOf(err) != fn.Unavailable {
				t.Errorf("dialling an ended instance: %v", err)
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	e := newEngine(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("not a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	open := func(dir string) string { // so that the function's uid may pass
		for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	change := func(f func(*engine.Spec)) engine.Spec {
		s := command("bad", "true")
		f(&s)
		return s
	}
	for name, tc := range map[string]struct {
		spec engine.Spec
		want string
	}{
		"no such program in PATH": {command("bad", "nosuchprogram"), `no program "nosuchprogram" in the PATH`},
		"no such path":            {command("bad", "/function/none"), "no such file"},
		"not executable":          {command("bad", "/etc/passwd"), "permission denied"},
		"no program": {change(func(s *engine.Spec) {
			s.Root = open(filepath.Dir(text))
			s.Program.Command = []string{"/function/text"}
		}), "exec format error"},
		"no folder":        {change(func(s *engine.Spec) { s.Program.Dir = "/nowhere" }), "/nowhere: no such file"},
		"empty command":    {change(func(s *engine.Spec) { s.Program.Command = nil }), "no command"},
		"bad id":           {change(func(s *engine.Spec) { s.ID = "../x" }), "bad instance id"},
		"bad environment":  {change(func(s *engine.Spec) { s.Env = map[string]string{"A=B": "c"} }), "bad environment"},
		"no root":          {change(func(s *engine.Spec) { s.Root = "/nonexistent" }), "nothing to mount"},
		"mount over /etc":  {change(func(s *engine.Spec) { s.Mounts = []engine.Mount{{Source: "/usr", Target: "/etc/x"}} }), "may be mounted"},
		"mount with ..":    {change(func(s *engine.Spec) { s.Mounts = []engine.Mount{{Source: "/usr", Target: "/a/../etc"}} }), "bad mount"},
		"huge environment": {change(func(s *engine.Spec) { s.Env = map[string]string{"A": strings.Repeat("x", 200<<10)} }), "list too long"},
		"negative limit":   {change(func(s *engine.Spec) { s.Limits.Memory = -1 }), "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := e.Start(t.Context(), tc.spec)
			if err == nil {
				_ = i.Stop(t.Context(), 0)
				t.Fatal("it started")
			}
			if fn.KindOf(err) != fn.Invalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v (%s), want %q", err, fn.KindOf(err), tc.want)
			}
		})
	}
	if out, exit := run(t, e, command("bad", "echo", "fine")); out != "fine\n" || exit.Code != 0 {
		t.Errorf("after all that: %q, %+v", out, exit)
	}
}

func TestSameIDTwiceIsAConflict(t *testing.T) {
	e := newEngine(t)
	i, _ := start(t, e, command("twice", "cat", "/dev/zero"))
	if _, err := e.Start(t.Context(), command("twice", "true")); fn.KindOf(err) != fn.Conflict {
		t.Errorf("second start: %v", err)
	}
	if err := i.Stop(t.Context(), 0); err != nil {
		t.Error(err)
	}
	run(t, e, command("twice", "true"))
}
