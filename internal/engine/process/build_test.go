package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programs builds the test programs once for all tests.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rouse-process-test-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/", "./testdata/server", "./testdata/probe")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{err, string(out)}
	}
	return dir, nil
})

type buildError struct {
	error
	output string
}

func (e *buildError) Error() string { return e.error.Error() + "\n" + e.output }

// testPrograms returns the folder with the programs "server" and "probe".
func testPrograms(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("ROUSE_TEST_PROGRAMS"); dir != "" {
		return dir
	}
	dir, err := programs()
	if err != nil {
		t.Fatal("building the test programs: ", err)
	}
	return dir
}

// need skips a test whose interpreter the host lacks.
func need(t testing.TB, program string) string {
	t.Helper()
	p := filepath.Join("/usr/bin", program)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("%s is not installed", p)
	}
	return p
}
