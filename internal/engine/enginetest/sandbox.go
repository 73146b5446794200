package enginetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func sandboxCases() []testCase {
	return []testCase{
		{"the artifact is there, read-only", sandboxArtifact},
		{"the working folder is /function or what the program says", sandboxDir},
		{"tmp is its own", sandboxTmp},
		{"further folders are mounted as asked", sandboxMounts},
		{"it is nobody, alone", sandboxIdentity},
		{"an interpreter of the host runs", sandboxInterpreters},
		{"switched off, no address but its own is within reach", sandboxNoNetwork},
	}
}

func sandboxArtifact(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	for path, want := range map[string]string{"text": "an artifact's file\n", "folder/inner": "deeper\n"} {
		if got := r.ask(t, "read /function/"+path); got != "<nil> "+want {
			t.Errorf("%s: %q", path, got)
		}
	}
	for _, path := range []string{"text", "new", "folder/new", "probe"} {
		if got := r.ask(t, "write /function/"+path+" 1"); got == "<nil>" {
			t.Errorf("it wrote to %s", path)
		}
	}
	if b, err := os.ReadFile(filepath.Join(s.root, "text")); string(b) != "an artifact's file\n" {
		t.Error("the artifact was changed:", string(b), err)
	}
}

func sandboxDir(t *testing.T, s *suite) {
	e := s.engine(t)
	for given, want := range map[string]string{"": "/function", "/function/folder": "/function/folder", "/tmp": "/tmp"} {
		spec := s.spec("self")
		spec.Program.Dir = given
		r := s.start(t, e, spec)
		r.wait(t)
		if got := parseSelf(t, r.stdout.String()).Dir; got != want {
			t.Errorf("%q: it runs in %s", given, got)
		}
	}
}

func sandboxTmp(t *testing.T, s *suite) {
	e := s.engine(t)
	a, b := s.start(t, e, s.server(fn.ListenSocket)), s.start(t, e, s.server(fn.ListenSocket))
	if got := a.ask(t, "write /tmp/mine 10"); got != "<nil>" {
		t.Fatal("writing to /tmp:", got)
	}
	if got := b.ask(t, "list /tmp/*"); got != "<nil> " {
		t.Errorf("another instance sees %s", got)
	}
	env := parseSelf(t, a.ask(t, "self")).Env
	for _, want := range []string{"HOME=/tmp", "TMPDIR=/tmp"} {
		if !strings.Contains(strings.Join(env, "\n")+"\n", want+"\n") {
			t.Errorf("%s is missing from %q", want, env)
		}
	}
	if _, err := os.Stat("/tmp/mine"); err == nil {
		t.Error("it wrote to the host's /tmp")
	}
}

func sandboxMounts(t *testing.T, s *suite) {
	read, write := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(read, "given"), []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{read, write} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	spec := s.server(fn.ListenSocket)
	spec.Mounts = []engine.Mount{{Source: read, Target: "/given"}, {Source: write, Target: "/out", Writable: true}}
	r := s.start(t, s.engine(t), spec)
	if got := r.ask(t, "read /given/given"); got != "<nil> hello" {
		t.Errorf("reading what was given: %s", got)
	}
	if got := r.ask(t, "write /given/new 1"); got == "<nil>" {
		t.Error("it wrote where it may only read")
	}
	if got := r.ask(t, "write /out/new 3"); got != "<nil>" {
		t.Errorf("writing where it may: %s", got)
	}
	if info, err := os.Stat(filepath.Join(write, "new")); err != nil || info.Size() != 3 {
		t.Errorf("what it wrote did not come out: %v", err)
	}
}

func sandboxIdentity(t *testing.T, s *suite) {
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	me := parseSelf(t, r.ask(t, "self"))
	if me.UID == 0 || me.GID == 0 || len(me.Groups) > 1 {
		t.Errorf("it is user %d, group %d and %v", me.UID, me.GID, me.Groups)
	}
	if len(me.FDs) == 0 || me.Pid > 10 {
		t.Errorf("it is process %d: not alone", me.Pid)
	}
	if host, _ := os.Hostname(); me.Hostname == host {
		t.Errorf("it knows that it runs on %s", host)
	}
}

func sandboxInterpreters(t *testing.T, s *suite) {
	e := s.engine(t)
	for _, c := range []struct{ path, flag, text string }{
		{"/usr/bin/python3", "-c", "import os, json, socket; print('works', os.getcwd())"},
		{"/bin/bash", "-c", "echo works $(pwd)"},
		{"/bin/sh", "-c", "ls / >/dev/null && echo works $(pwd)"},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			if _, err := os.Stat(c.path); err != nil {
				t.Skip("not on this host:", err)
			}
			spec := s.spec()
			spec.Program.Command = []string{c.path, c.flag, c.text, freshID()}
			r := s.start(t, e, spec)
			if exit := r.wait(t); exit.Code != 0 || r.stdout.String() != "works /function\n" {
				t.Errorf("%+v; it said %q and %q", exit, r.stdout, r.stderr)
			}
		})
	}
}

func sandboxNoNetwork(t *testing.T, s *suite) {
	to := hostListener(t, "tcp", "0.0.0.0:0")
	r := s.start(t, s.engine(t), s.server(fn.ListenSocket))
	for _, a := range hostAddresses(t, to) {
		if got := r.ask(t, "dial tcp "+a); got == "<nil>" {
			t.Errorf("it reached the host at %s", a)
		}
	}
}
