package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mount is one mounted hierarchy.
type mount struct {
	dir         string   // mount point
	own         string   // this process's folder below dir
	controllers []string // version 1: what it controls
	v2          bool
}

// readMounts lists the control group file systems of this process.
func readMounts() ([]mount, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	self, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	return parseMounts(string(info), string(self)), nil
}

// parseMounts reads mountinfo (see proc_pid_mountinfo(5)) and cgroup (see
// cgroups(7)).
func parseMounts(info, self string) []mount {
	var out []mount
	for line := range strings.Lines(info) {
		head, tail, ok := strings.Cut(strings.TrimSpace(line), " - ")
		h, t := strings.Fields(head), strings.Fields(tail)
		if !ok || len(h) < 5 || len(t) < 3 || !strings.HasPrefix(t[0], "cgroup") {
			continue
		}
		m := mount{dir: unescape(h[4]), v2: t[0] == "cgroup2"}
		root := unescape(h[3])
		if !m.v2 {
			m.controllers = strings.Split(t[2], ",")
		}
		if rel, err := filepath.Rel(root, ownPath(self, m)); err == nil && !strings.HasPrefix(rel, "..") {
			m.own = rel
		}
		out = append(out, m)
	}
	return out
}

// ownPath finds the process's group in the hierarchy of m.
func ownPath(self string, m mount) string {
	for line := range strings.Lines(self) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if m.v2 && f[0] == "0" && f[1] == "" {
			return f[2]
		}
		if !m.v2 && f[1] != "" && slices.Contains(m.controllers, strings.Split(f[1], ",")[0]) {
			return f[2]
		}
	}
	return "/"
}

// unescape undoes mountinfo's octal escapes of blanks.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
