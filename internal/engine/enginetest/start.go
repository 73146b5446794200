package enginetest

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func startCases() []testCase {
	return []testCase{
		{"it returns while the program runs", startReturns},
		{"an instance has its spec's id", startID},
		{"a missing program is invalid", startMissing},
		{"a file that is no program is invalid", startNotExecutable},
		{"its context bounds the start only", startContext},
		{"a start that was called off leaves nothing", startCalledOff},
		{"output comes out, each stream on its own", startOutput},
		{"a lot of output comes out whole", startFlood},
		{"no writer discards the output", startNoWriter},
		{"arguments are passed as they are", startArguments},
		{"the environment is exact", startEnvironment},
		{"descriptors are the program's own", startDescriptors},
	}
}

func startReturns(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.spec("wait"))
	select {
	case <-r.Done():
		t.Fatal("it is over already:", r.Exit())
	default:
	}
}

func startID(t *testing.T, s *suite) {
	spec := s.spec("wait")
	if r := s.start(t, s.engine(t), spec); r.ID() != spec.ID {
		t.Errorf("it is %q, not %q", r.ID(), spec.ID)
	}
}

func startMissing(t *testing.T, s *suite) {
	spec := s.spec("wait")
	spec.Program.Command[0] = "/function/there-is-no-such-program"
	s.mustBeInvalid(t, spec)
}

func startNotExecutable(t *testing.T, s *suite) {
	for _, path := range []string{"/function/plain", "/function/folder"} {
		spec := s.spec("wait")
		spec.Program.Command[0] = path
		s.mustBeInvalid(t, spec)
	}
	spec := s.spec("wait")
	spec.Program.Command = nil
	s.mustBeInvalid(t, spec)
}

func (s *suite) mustBeInvalid(t *testing.T, spec engine.Spec) {
	t.Helper()
	i, err := s.engine(t).Start(t.Context(), spec)
	if err == nil {
		t.Fatalf("%v was started: %v", spec.Program.Command, i.Stop(t.Context(), 0))
	}
	if !errors.Is(err, fn.Invalid) {
		t.Errorf("%v: %v (%s), want invalid", spec.Program.Command, err, fn.KindOf(err))
	}
}

func startContext(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(t.Context())
	spec := s.server(fn.ListenSocket)
	i, err := s.engine(t).Start(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	r := &running{Instance: i}
	if got := r.ask(t, "ping"); got != "pong" {
		t.Errorf("after its context was cancelled it says %q", got)
	}
}

func startCalledOff(t *testing.T, s *suite) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := s.engine(t)
	spec := s.spec("wait")
	i, err := e.Start(ctx, spec)
	if err == nil {
		err = i.Stop(t.Context(), 0) // it may have been too late to call it off
		if err != nil {
			t.Error(err)
		}
	}
	mustHaveNoProcess(t, spec.Program.Command[2])
}

func startOutput(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.spec("print", "100"))
	r.wait(t)
	if o, e := r.stdout.String(), r.stderr.String(); o != strings.Repeat("o", 100) || e != strings.Repeat("e", 100) {
		t.Errorf("it said %q and %q", o, e)
	}
}

func startFlood(t *testing.T, s *suite) {
	const size = 4 << 20
	r := s.start(t, s.engine(t), s.spec("print", "4194304"))
	r.wait(t)
	if o, e := len(r.stdout.String()), len(r.stderr.String()); o != size || e != size {
		t.Errorf("%d and %d bytes came out, want %d", o, e, size)
	}
}

func startNoWriter(t *testing.T, s *suite) {
	spec := s.spec("print", "1048576")
	spec.Stdout, spec.Stderr = nil, nil
	i, err := s.engine(t).Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if exit := (&running{Instance: i}).wait(t); exit.Code != 0 || exit.Signal != "" {
		t.Errorf("it ended with %+v", exit)
	}
}

func startArguments(t *testing.T, s *suite) {
	args := []string{"self", "", "two words", "$HOME", "`x`", "\xff\x01", "--flag=\"v\"", "*"}
	r := s.start(t, s.engine(t), s.spec(args...))
	r.wait(t)
	got := parseSelf(t, r.stdout.String()).Args
	args[5] = "\ufffd\x01" // how JSON brings it back
	if want := append(args, r.token); len(got) == 0 || !slices.Equal(got[1:], want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// added are the variables an engine may add.
func added(listen fn.Listen) []string {
	out := []string{"HOME", "TMPDIR", "PATH"}
	switch listen {
	case fn.ListenSocket:
		out = append(out, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
	case fn.ListenPort:
		out = append(out, "PORT")
	}
	return out
}

func startEnvironment(t *testing.T, s *suite) {
	t.Setenv("ROUSE_SECRET_OF_THE_SERVER", "x")
	e := s.engine(t)
	for _, listen := range []fn.Listen{fn.ListenSocket, fn.ListenPort} {
		spec := s.server(listen)
		given := map[string]string{"A": "1", "EMPTY": "", "MANY": "lines\nand = signs", "PATH": "/somewhere"}
		spec.Env = maps.Clone(given)
		r := s.start(t, e, spec)
		env := map[string]string{}
		for _, kv := range parseSelf(t, r.ask(t, "self")).Env {
			k, v, _ := strings.Cut(kv, "=")
			if _, twice := env[k]; twice {
				t.Errorf("%s is there twice", k)
			}
			env[k] = v
		}
		for k, v := range given {
			if got, ok := env[k]; !ok || got != v {
				t.Errorf("%s is %q, want %q", k, got, v)
			}
		}
		for k, v := range env {
			if _, ok := given[k]; !ok && !slices.Contains(added(listen), k) {
				t.Errorf("nobody asked for %s=%s", k, v)
			}
		}
		for _, k := range added(listen) {
			if env[k] == "" && (k != "LISTEN_PID" || s.opts.Isolated) {
				t.Errorf("%s is missing", k)
			}
		}
	}
}

func startDescriptors(t *testing.T, s *suite) {
	if s.opts.Isolated { // even one that the server forgot to close on exec
		fd, err := unix.Open(filepath.Join(s.root, "text"), unix.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	e := s.engine(t)
	for listen, want := range map[fn.Listen][]int{fn.ListenSocket: {0, 1, 2, 3}, fn.ListenPort: {0, 1, 2}} {
		r := s.start(t, e, s.server(listen))
		got := parseSelf(t, r.ask(t, "self")).FDs
		for fd, what := range got { // the probe's runtime may have opened its poller and its limits by then
			if !slices.Contains(want, fd) && !strings.HasPrefix(what, "anon_inode:") && !strings.HasPrefix(what, "/sys/fs/cgroup/") {
				t.Errorf("%s: descriptor %d is %s", listen, fd, what)
			}
		}
		for _, fd := range want {
			if _, ok := got[fd]; !ok {
				t.Errorf("%s: descriptor %d is missing", listen, fd)
			}
		}
	}
}
