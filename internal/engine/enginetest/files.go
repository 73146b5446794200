package enginetest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

func fileCases() []testCase {
	return []testCase{
		{"they are there, with content and mode", filesThere},
		{"a file of any size comes whole", filesOfAnySize},
		{"others do not see them", filesPrivate},
		{"the program can change nothing about them", filesFixed},
		{"content is in memory only, and gone with the instance", filesNowhereElse},
		{"they are not in the way of what else is mounted", filesBesideMounts},
		{"what cannot be is refused without telling content", filesRefused},
	}
}

const (
	here  = "/var/one/private"
	there = "/var/two/private"
)

// files are two of them, each at two places; marker is in one.
func files(marker string) []engine.File {
	var out []engine.File
	for _, dir := range []string{here, there} {
		out = append(out, engine.File{Path: dir + "/key.pem", Data: []byte(marker)},
			engine.File{Path: dir + "/open", Data: []byte("for all\n"), Mode: 0o444})
	}
	return out
}

// withFiles describes a server that has files with a fresh marker.
func (s *suite) withFiles() (engine.Spec, string) {
	marker := "marker-" + rand.Text()
	spec := s.server(fn.ListenSocket)
	spec.Files = files(marker)
	return spec, marker
}

func filesThere(t *testing.T, s *suite) {
	spec, marker := s.withFiles()
	r := s.start(t, s.engine(t), spec)
	for _, dir := range []string{here, there} {
		for path, want := range map[string]string{"key.pem": marker, "open": "for all\n"} {
			if got := r.ask(t, "read "+dir+"/"+path); got != "<nil> "+want {
				t.Errorf("%s: %q", path, got)
			}
		}
		for path, want := range map[string]string{
			"key.pem": fmt.Sprintf("-r-------- %d true", len(marker)), "open": "-r--r--r-- 8 true",
		} {
			if got := r.ask(t, "stat "+dir+"/"+path); got != want {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
		if got, want := r.ask(t, "list "+dir+"/*"), fmt.Sprintf("<nil> %s/key.pem %s/open", dir, dir); got != want {
			t.Errorf("there is %q, want %q", got, want)
		}
	}
}

func filesOfAnySize(t *testing.T, s *suite) {
	spec := s.server(fn.ListenSocket)
	want := map[string][]byte{}
	for _, n := range []int{0, 1, 4095, 4096, 4097, 1 << 20, 3<<20 + 5} {
		data := make([]byte, n)
		_, _ = rand.Read(data)
		want[fmt.Sprintf("/var/x/of-%d", n)] = data
		spec.Files = append(spec.Files, engine.File{Path: fmt.Sprintf("/var/x/of-%d", n), Data: data})
	}
	r := s.start(t, s.engine(t), spec)
	for path, data := range want {
		if got := r.ask(t, "read "+path); got != "<nil> "+string(data) {
			t.Errorf("%s has %d bytes or others", path, len(got)-len("<nil> "))
		}
	}
}

func filesPrivate(t *testing.T, s *suite) {
	e := s.engine(t)
	spec, marker := s.withFiles()
	a := s.start(t, e, spec)
	theirs, other := s.withFiles()
	theirs.Revision.Ref.Name = "another"
	b, none := s.start(t, e, theirs), s.start(t, e, s.server(fn.ListenSocket))
	if got := a.ask(t, "read "+here+"/key.pem"); got != "<nil> "+marker {
		t.Errorf("the first sees %q", got)
	}
	if got := b.ask(t, "read "+here+"/key.pem"); got != "<nil> "+other {
		t.Errorf("the second sees %q", got)
	}
	for _, dir := range []string{here, there} {
		if got := none.ask(t, "list "+dir+"/*"); got != "<nil> " {
			t.Errorf("one without files sees %q", got)
		}
	}
	same := s.server(fn.ListenSocket) // another instance of the same function
	same.Revision = spec.Revision
	if got := s.start(t, e, same).ask(t, "list "+here+"/*"); got != "<nil> " {
		t.Errorf("one of the same function that was given none sees %q", got)
	}
}

func filesFixed(t *testing.T, s *suite) {
	spec, marker := s.withFiles()
	r := s.start(t, s.engine(t), spec)
	for _, dir := range []string{here, there} {
		for _, path := range []string{"key.pem", "open"} {
			if got := r.ask(t, "spoil "+dir+"/"+path); got != "" {
				t.Errorf("%s/%s: it managed to %s", dir, path, got)
			}
		}
		if got := r.ask(t, "read "+dir+"/key.pem"); got != "<nil> "+marker {
			t.Errorf("%s: afterwards it is %q", dir, got)
		}
	}
}

func filesNowhereElse(t *testing.T, s *suite) {
	id := freshID()
	e := s.engineOf(t, id)
	spec, marker := s.withFiles()
	r := s.start(t, e, spec)
	if got := r.ask(t, "read "+here+"/key.pem"); got != "<nil> "+marker {
		t.Fatalf("it is not there: %q", got)
	}
	var folders []string
	if s.opts.Folders != nil {
		folders = s.opts.Folders(id)
	}
	if len(folders) == 0 {
		t.Fatal("no folder to search")
	}
	mustNotHold(t, folders, marker)
	procs := 0
	for _, pattern := range []string{"/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline"} {
		names, _ := filepath.Glob(pattern)
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err == nil {
				procs++
			}
			if bytes.Contains(b, []byte(marker)) {
				t.Errorf("%s holds what a file holds", name)
			}
		}
	}
	if procs == 0 || len(processes(r.token)) == 0 {
		t.Error("no process was looked at")
	}
	if err := r.Stop(within(t, limit), time.Second); err != nil {
		t.Fatal(err)
	}
	mustNotHold(t, append(folders, "/dev/shm"), marker)
	if all := r.stdout.String() + r.stderr.String(); strings.Contains(all, marker) {
		t.Errorf("it was printed: %q", all)
	}
}

// mustNotHold searches files for text.
func mustNotHold(t *testing.T, folders []string, text string) {
	t.Helper()
	for _, dir := range folders {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // gone meanwhile
			}
			b, err := os.ReadFile(path)
			if err == nil && bytes.Contains(b, []byte(text)) {
				t.Errorf("%s holds what a private file holds", path)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
}

func filesBesideMounts(t *testing.T, s *suite) {
	spec, marker := s.withFiles()
	given := t.TempDir()
	if err := errors.Join(os.Chmod(given, 0o755), os.WriteFile(filepath.Join(given, "text"), []byte("given"), 0o644)); err != nil {
		t.Fatal(err)
	}
	spec.Mounts = []engine.Mount{{Source: given, Target: "/var/one/given"}}
	r := s.start(t, s.engine(t), spec)
	for path, want := range map[string]string{"/var/one/given/text": "given", here + "/key.pem": marker, "/function/folder/inner": "deeper\n"} {
		if got := r.ask(t, "read "+path); got != "<nil> "+want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := r.ask(t, "write /tmp/mine 10"); got != "<nil>" {
		t.Errorf("writing to /tmp: %s", got)
	}
}

func filesRefused(t *testing.T, s *suite) {
	e := s.engine(t)
	marker := "marker-" + rand.Text()
	one := func(path string) []engine.File { return []engine.File{{Path: path, Data: []byte(marker)}} }
	for name, files := range map[string][]engine.File{
		"a relative path": one("var/x/y"), "an unclean path": one("/var/x/../y"), "the root": one("/y"), "no name": one("/var/x/"),
		"the program's folder": one("/function/y"), "below the program's folder": one("/function/folder/y"),
		"a system folder": one("/usr/lib/y"), "devices": one("/dev/y"), "processes": one("/proc/self/y"), "a NUL": one("/var/x/y\x00"),
		"the same twice":            slices.Concat(one("/var/x/y"), one("/var/x/y")),
		"one folder in another":     slices.Concat(one("/var/x/y"), one("/var/x/z/y")),
		"a mode that lets it write": {{Path: "/var/x/y", Data: []byte(marker), Mode: 0o600}},
		"too much":                  {{Path: "/var/x/y", Data: append([]byte(marker), make([]byte, engine.MaxFileBytes)...)}},
	} {
		spec := s.spec("wait")
		spec.Files = files
		i, err := e.Start(t.Context(), spec)
		if err == nil {
			t.Errorf("%s was accepted: %v", name, i.Stop(t.Context(), 0))
			continue
		}
		if !errors.Is(err, fn.Invalid) || strings.Contains(err.Error(), marker) {
			t.Errorf("%s: %v (%s)", name, err, fn.KindOf(err))
		}
	}
}
