package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// watch runs "rouse watchdog ARGS" and returns its exit code and what it
// printed.
func watch(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	dir := t.TempDir()
	var files [2]*os.File
	for i, name := range []string{"out", "err"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	code = Main(t.Context(), Process{
		Args: append([]string{"rouse", "watchdog"}, args...), Version: "v0-test", Lookup: os.LookupEnv,
		Stdout: files[0], Stderr: files[1],
	})
	var text [2]string
	for i, f := range files {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		text[i] = string(b)
	}
	return code, text[0], text[1]
}

// TestWatchdogChoosesItsContract looks at what each contract says is wrong:
// serving itself is tested with the contracts.
func TestWatchdogChoosesItsContract(t *testing.T) {
	for _, c := range []struct {
		args string
		env  string // NAME=VALUE
		code int
		out  string // part of what is printed
		errs string
	}{
		{args: "", env: "mode=warp", code: 2, errs: `no mode "warp"`},
		{args: "--of", env: "mode=warp", code: 2, errs: `no mode "warp"`},
		{args: "-of", env: "mode=warp", code: 2, errs: `no mode "warp"`},
		{args: "--classic", env: "mode=warp", code: 2, errs: "fprocess: names no program"},
		{args: "-classic", env: "jwt_auth=true", code: 2, errs: "jwt_auth"},
		{args: "-version", out: "v0-test\n"},
		{args: "--classic --version", out: "v0-test\n"},
		{args: "--help", out: "rouse watchdog [--of | --classic]"},
		{args: "-h", out: "docs/watchdog.md"},
		{args: "-run-healthcheck", code: 1, errs: "no lock file"},
		{args: "--warp", code: 2, errs: "unknown flag --warp"},
		{args: "--of cat", code: 2, errs: "unknown flag cat"},
		{args: "--", code: 2, errs: "name the program"},
		{args: "-- /no/such/program", code: 2, errs: "/no/such/program"},
		{args: "/no/such/program", code: 2, errs: "/no/such/program"},
	} {
		t.Run(c.args+" "+c.env, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			if name, value, ok := strings.Cut(c.env, "="); ok {
				t.Setenv(name, value)
			}
			code, out, errs := watch(t, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
				t.Errorf("exit code %d, printed %q and %q", code, out, errs)
			}
		})
	}
}

func TestWatchdogHealthcheckLooksForTheLockFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	if err := os.WriteFile(filepath.Join(dir, ".lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := watch(t, "-run-healthcheck"); code != 0 {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestWatchdogTakesTheSocketThatIsMeantForIt(t *testing.T) {
	for _, vars := range []map[string]string{{}, {"LISTEN_FDS": "2"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}} {
		l, err := inheritedListener(Process{Lookup: func(k string) (string, bool) { v, ok := vars[k]; return v, ok }})
		if l != nil || err != nil {
			t.Errorf("%v: got %v, %v", vars, l, err)
		}
	}
}
