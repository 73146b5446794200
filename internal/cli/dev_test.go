package cli

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
	"rouse.dev/rouse/internal/fn"
)

// screen is where a command writes and a test reads along.
type screen struct {
	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{} // closed and made again when text grows
}

func newScreen() *screen { return &screen{grown: make(chan struct{})} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.grown)
	s.grown = make(chan struct{})
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// await waits until the screen shows something.
func (s *screen) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second) // only a failing test gets there
	for {
		s.mu.Lock()
		shown, grown := strings.Contains(s.text.String(), text), s.grown
		s.mu.Unlock()
		if shown {
			return
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("never saw %q:\n%s", text, s)
		}
	}
}

// session is a command that runs beside its test.
type session struct {
	*screen
	stop func() int // interrupts the command and returns its exit code
}

func run(t *testing.T, d Deps, env map[string]string, args ...string) session {
	t.Helper()
	s := newScreen()
	d.In, d.Out, d.Err, d.Version, d.Zone = strings.NewReader(""), s, s, "v0.0.0-test", time.UTC
	d.Now = func() time.Time { return nativetest.Epoch }
	d.Env = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	code := -1
	wg.Go(func() { code = Main(ctx, d, args) })
	stop := sync.OnceValue(func() int { cancel(); wg.Wait(); return code })
	t.Cleanup(func() { stop() })
	return session{s, stop}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDevDeploysWhatIsSaved(t *testing.T) {
	work := t.TempDir()
	server, err := nativetest.Start(filepath.Join(work, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	ref := fn.Ref{Namespace: fn.DefaultNamespace, Name: "hello"}
	handler := filepath.Join(work, "hello", "handler.py")
	write(t, handler, "one")
	s := run(t, Deps{Dir: work}, map[string]string{"ROUSE_URL": server.URL, "ROUSE_DATA": server.Dir}, "dev", "hello")
	s.await(t, "✓ hello revision 1 is live after ")

	server.Print(ref, "", "printed by the function")
	s.await(t, "hello │ printed by the function")

	write(t, handler, "two")
	s.await(t, "✓ hello revision 2 is live after ")
	write(t, handler, "two") // the content is the same: nothing to do
	write(t, filepath.Join(work, "hello", "rouse.yaml"), "name: hello\nruntime: python\nmemroy: 1\n")
	s.await(t, "line 3: memroy")
	write(t, filepath.Join(work, "hello", "rouse.yaml"), "name: hello\nruntime: python\nenv: {FAKE_FAIL_START: no module named x}\n")
	s.await(t, "no module named x")
	write(t, filepath.Join(work, "hello", "rouse.yaml"), "name: hello\nruntime: python\nenv: {A: b}\n")
	s.await(t, "✓ hello revision 3 is live after ")
	if strings.Contains(s.String(), "revision 4") {
		t.Errorf("a save without a change was deployed:\n%s", s)
	}
	if code := s.stop(); code != 0 {
		t.Errorf("interrupted: exit code %d\n%s", code, s)
	}
}

func TestDevStartsAServerWhereThereIsNone(t *testing.T) {
	work := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close() // its port is free, and nobody listens there
	write(t, filepath.Join(work, "hello", "handler.py"), "one")
	ended := false
	d := Deps{Dir: work, Up: func(ctx context.Context, c conf.Config, ready func(Ready)) error {
		l, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return err
		}
		server, err := nativetest.StartOn(l, c.Data)
		if err != nil {
			return err
		}
		ready(Ready{URL: server.URL, Password: server.Password})
		<-ctx.Done()
		server.Close()
		ended = true
		return ctx.Err()
	}}
	s := run(t, d, map[string]string{"ROUSE_LISTEN": addr, "ROUSE_DATA": filepath.Join(work, "data"), "HOME": work}, "dev", "hello")
	s.await(t, "is ready at http://"+addr)
	s.await(t, "✓ hello revision 1 is live after ")
	if code := s.stop(); code != 0 || !ended {
		t.Errorf("exit code %d, server ended: %v\n%s", code, ended, s)
	}
}

func TestDevTellsWhyTheServerDidNotStart(t *testing.T) {
	work := t.TempDir()
	write(t, filepath.Join(work, "hello", "handler.py"), "one")
	d := Deps{Dir: work, Up: func(context.Context, conf.Config, func(Ready)) error {
		return fn.Errorf(fn.Conflict, "the folder is in use")
	}}
	s := run(t, d, map[string]string{"ROUSE_LISTEN": "127.0.0.1:1", "HOME": work}, "dev", "hello")
	s.await(t, "error: the folder is in use")
	if code := s.stop(); code != fn.ExitCode(fn.Conflict) {
		t.Errorf("exit code %d", code)
	}
}

func TestLogsFollowUntilInterrupted(t *testing.T) {
	work := t.TempDir()
	server, err := nativetest.Start(filepath.Join(work, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	env := map[string]string{"ROUSE_URL": server.URL, "ROUSE_DATA": server.Dir}
	write(t, filepath.Join(work, "hello", "handler.py"), "one")
	run(t, Deps{Dir: work}, env, "deploy", "hello").await(t, "is ready")
	s := run(t, Deps{Dir: work}, env, "logs", "-f", "hello")
	s.await(t, "revision 1 serves")
	server.Print(fn.Ref{Namespace: fn.DefaultNamespace, Name: "hello"}, "", "late line")
	s.await(t, "late line")
	if code := s.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s)
	}
}
