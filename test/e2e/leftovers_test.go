package e2e

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// leftovers lists what of a server's doing still exists on the host: processes
// whose root or command belongs to it, mounts, control groups, interfaces.
func (s *server) leftovers() []string {
	var found []string
	found = append(found, s.processes()...)
	if b, err := os.ReadFile("/proc/self/mountinfo"); err == nil {
		for line := range strings.SplitSeq(string(b), "\n") {
			if strings.Contains(line, s.data) {
				found = append(found, "mount: "+line)
			}
		}
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && filepath.Base(filepath.Dir(filepath.Dir(path))) == "rouse" {
			found = append(found, "control group: "+path)
		}
		return nil
	})
	if ifs, err := net.Interfaces(); err == nil {
		for _, i := range ifs {
			if strings.HasPrefix(i.Name, "rs") {
				found = append(found, "interface: "+i.Name)
			}
		}
	}
	return found
}

// processes lists every process that runs as a function's user, or whose
// command line names the data folder.
func (s *server) processes() []string {
	var found []string
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() || s.cmd != nil && pid == s.cmd.Process.Pid {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		status, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if strings.Contains(string(cmdline), s.data) || functionUser(string(status)) {
			found = append(found, "process "+e.Name()+": "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}

// functionUser reports whether /proc/PID/status shows a user id from the range
// that functions get.
func functionUser(status string) bool {
	for line := range strings.SplitSeq(status, "\n") {
		if rest, ok := strings.CutPrefix(line, "Uid:"); ok {
			uid, err := strconv.Atoi(strings.Fields(rest)[0])
			return err == nil && uid >= 1_000_000_000 && uid < 1_000_100_000
		}
	}
	return false
}

// mustLeaveNothing fails the test if a stopped server left something.
func (s *server) mustLeaveNothing() {
	s.t.Helper()
	if found := s.leftovers(); len(found) > 0 {
		s.t.Errorf("the server left %d things behind:\n%s", len(found), strings.Join(found, "\n"))
	}
}
