package e2e

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folderSize sums the files below a folder of the data folder.
func (s *server) folderSize(name string) int64 {
	var n int64
	_ = filepath.WalkDir(filepath.Join(s.data, name), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

func TestBackupAndRestoreWhileRunning(t *testing.T) {
	needRoot(t)
	s := start(t)
	s.must("deploy", s.echo("keep", "kept"))
	file := filepath.Join(t.TempDir(), "backup")
	s.must("backup", file)
	s.must("remove", "keep")
	if status, _, _ := s.call("keep", ""); status != http.StatusNotFound {
		t.Fatalf("a removed function answers %d", status)
	}
	other := start(t)
	other.must("restore", file)
	if status, body, _ := other.call("keep", ""); status != 200 || body != "kept\n" {
		t.Errorf("restored into another server: %d %q", status, body)
	}
	s.must("restore", file)
	if status, body, _ := s.call("keep", ""); status != 200 || body != "kept\n" {
		t.Errorf("restored into the same server: %d %q", status, body)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 0x40
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.rouse("restore", "--replace", broken); err == nil {
		t.Error("a backup with a flipped bit was restored")
	}
	if status, body, _ := s.call("keep", ""); status != 200 || body != "kept\n" {
		t.Errorf("after a refused restore: %d %q", status, body)
	}
}

func TestSecondServerOnTheSameDataIsRefused(t *testing.T) {
	s := start(t)
	_, err := s.rouse("up", "--listen", "127.0.0.1:0", "--data", s.data)
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server on the same folder: %v", err)
	}
}

func TestManagementNeedsThePassword(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/v1/functions", "/v1/info", "/v1/config", "/v1/runtimes", "/metrics"} {
		res, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("GET %s without a password: %d, want 401", path, res.StatusCode)
		}
	}
	info, err := os.Stat(filepath.Join(s.data, "admin-password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("admin-password: %v, %v; want mode 0600", info.Mode(), err)
	}
	if !strings.Contains(s.out.String(), s.password) {
		t.Error("the first start does not print the password")
	}
	s.stop()
	s.run()
	if strings.Contains(s.out.String(), s.password) {
		t.Error("the second start prints the password again")
	}
}
