package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// id is what the server names its control groups by: made from its data
// folder, so that two servers on one host keep apart.
func (s *server) id() string {
	sum := sha256.Sum256([]byte(s.data))
	return hex.EncodeToString(sum[:6])
}

// links is how the names of the server's network interfaces begin.
func (s *server) links() string {
	sum := sha256.Sum256([]byte(s.id()))
	return "rs" + hex.EncodeToString(sum[:3])
}

// leftovers lists what of a server's doing still exists on the host:
// processes, mounts, control groups, interfaces.
func (s *server) leftovers() []string {
	found := s.processes()
	if b, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		for line := range strings.SplitSeq(string(b), "\n") {
			if strings.Contains(line, s.data) {
				found = append(found, "mount: "+line)
			}
		}
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(path, "/rouse/"+s.id()) {
			found = append(found, "control group: "+path)
		}
		return nil
	})
	if ifs, err := net.Interfaces(); err == nil {
		for _, i := range ifs {
			if strings.HasPrefix(i.Name, s.links()) {
				found = append(found, "interface: "+i.Name)
			}
		}
	}
	return found
}

// processes lists every process in a control group of the server's, or whose
// command line names the data folder, besides the server itself.
func (s *server) processes() []string {
	var found []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || s.cmd != nil && pid == s.cmd.Process.Pid {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		groups, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cgroup"))
		status, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if strings.Contains(string(status), "State:\tZ") {
			continue // dead; an orphan's remains are process 1's to collect
		}
		if strings.Contains(string(cmdline), s.data) || strings.Contains(string(groups), "/rouse/"+s.id()) {
			found = append(found, "process "+e.Name()+": "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}

// mustLeaveNothing fails the test if a stopped server left something.
func (s *server) mustLeaveNothing() {
	s.t.Helper()
	if found := s.leftovers(); len(found) > 0 {
		s.t.Errorf("the server left %d things behind:\n%s", len(found), strings.Join(found, "\n"))
	}
}
