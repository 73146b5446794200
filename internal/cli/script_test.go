package cli

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/conf"
	"rouse.dev/rouse/internal/dialect/native/nativetest"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

var update = flag.Bool("update", false, "rewrite golden outputs in testdata")

// TestMain lets the test binary be the program "rouse" for scripts.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"rouse": program})
}

// leakChecked looks for goroutines that were left behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
		return 1
	}
	return code
}

// program is the command line as main makes it, with a fixed clock and a
// server that does nothing.
func program() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	info, err := os.Stdin.Stat()
	if err != nil {
		panic(err)
	}
	code := Main(ctx, Deps{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, InData: info.Mode().IsRegular() || info.Mode()&os.ModeNamedPipe != 0,
		OutTerminal: os.Getenv("TEST_TERMINAL") != "", ErrTerminal: os.Getenv("TEST_TERMINAL") != "",
		Env: os.LookupEnv, Dir: dir, Version: "v0.0.0-test", Zone: time.UTC,
		Now: func() time.Time { return nativetest.Epoch.Add(5 * time.Minute) },
		Up: func(_ context.Context, c conf.Config, ready func(Ready)) error {
			ready(Ready{URL: "http://" + c.Listen, Password: "made-just-now"})
			return fn.WithHint(fn.Errorf(fn.Conflict, "%s is in use by another server", c.Data), "stop it first")
		},
		Doctor: func(context.Context, conf.Config) (api.DoctorReport, error) {
			return api.DoctorReport{Level: "none", Checks: []api.Check{{Name: "cgroups", Detail: "read-only", Fix: "run as root"}}}, nil
		},
	}, os.Args[1:])
	stop()
	os.Exit(code)
}

type serverKey struct{}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			s, err := nativetest.Start(filepath.Join(env.WorkDir, ".data"))
			if err != nil {
				return err
			}
			s.SetBase("http://rouse.test")
			env.Defer(s.Close)
			env.Values[serverKey{}] = s
			web := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(env.WorkDir, "web"))))
			env.Defer(web.Close)
			env.Setenv("WEB", web.URL)
			env.Setenv("ROUSE_URL", s.URL)
			env.Setenv("ROUSE_DATA", filepath.Join(env.WorkDir, ".data"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // or each command waits a second under -race
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "print": printLine, "letter": putLetter,
		},
	})
}

// exits CODE COMMAND...: runs a command that has to end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// print NAME TEXT: a function prints a line.
func printLine(ts *testscript.TestScript, _ bool, args []string) {
	s, ok := ts.Value(serverKey{}).(*nativetest.Server)
	if !ok || len(args) < 2 {
		ts.Fatalf("usage: print NAME TEXT")
	}
	s.Print(fn.Ref{Namespace: fn.DefaultNamespace, Name: args[0]}, nativetest.CallID, strings.Join(args[1:], " "))
}

// letter waiting|leased|buried NAME.NAMESPACE ID [REASON]: an asynchronous call
// in that state. REASON is as within quotes of Go: "\\n" ends a line.
func putLetter(ts *testscript.TestScript, _ bool, args []string) {
	s, ok := ts.Value(serverKey{}).(*nativetest.Server)
	if !ok || len(args) < 3 {
		ts.Fatalf("usage: letter STATE NAME.NAMESPACE ID [REASON]")
	}
	name, namespace, _ := strings.Cut(args[1], ".")
	reason, err := strconv.Unquote(`"` + strings.Join(args[3:], " ") + `"`)
	ts.Check(err)
	l := async.Letter{
		ID: args[2], Ref: fn.Ref{Namespace: namespace, Name: name}, Queue: "faas-request", State: queue.State(args[0]),
		Path: "/in", Size: 1500, Published: nativetest.Epoch, Reason: reason,
	}
	if l.State == queue.Buried {
		l.Attempts = 10
	}
	s.Queue.Put(l)
}
