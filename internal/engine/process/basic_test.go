package process

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
)

func TestBashSeesItsOwnLittleWorld(t *testing.T) {
	e := newEngine(t)
	out, exit := run(t, e, command("a", "bash", "-c", "echo $HOME; id -un; hostname; exit 3"))
	if want := "/tmp\nfn\nfn\n"; out != want {
		t.Errorf("output %q, want %q", out, want)
	}
	if exit.Code != 3 || exit.Signal != "" {
		t.Errorf("exit %+v, want code 3", exit)
	}
}

// buildServer compiles the static test server once.
func buildServer(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "server"), "./testdata/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the test server: %v\n%s", err, out)
	}
	for _, p := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func client(i interface {
	Dial(context.Context) (net.Conn, error)
}) *http.Client {
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return i.Dial(ctx) },
	}}
}

func TestServerAnswersOverTheSocket(t *testing.T) {
	e := newEngine(t)
	root := buildServer(t)
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort} {
		t.Run(string(listen), func(t *testing.T) {
			spec := command("s", "/function/server")
			spec.Root = root
			spec.Program.Listen = listen
			spec.Program.Dir = ""
			var out syncBuffer
			spec.Stdout, spec.Stderr = &out, &out
			i, err := e.Start(t.Context(), spec)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Stop(context.Background(), 0)
			c := client(i)
			var res *http.Response
			for {
				res, err = c.Get("http://fn/hello")
				if err == nil || listen == fn.ListenSocket || !strings.Contains(err.Error(), "refused") {
					break
				}
			}
			if err != nil {
				t.Fatal(err, out.String())
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || string(body) != "hello from 1000" {
				t.Errorf("body %q, error %v", body, err)
			}
			if err := i.Stop(t.Context(), 10*time.Second); err != nil {
				t.Error(err)
			}
			if x := i.Exit(); x.Code != 0 {
				t.Errorf("exit %+v, want 0 after SIGTERM; output %s", x, out.String())
			}
		})
	}
}
