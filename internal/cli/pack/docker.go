package pack

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// dockerIgnoreFile has patterns of what a container build does not see.
const dockerIgnoreFile = ".dockerignore"

// dockerRules are rules in the manner of .dockerignore: every pattern is for a
// place, one that fits a folder fits all in it, and what a later one takes
// back may lie in a folder that is left out.
type dockerRules struct {
	rules
	takesBack bool // some rule is negated
}

func readDockerRules(fsys fs.FS) (patterns, string, error) {
	text, err := readPatterns(fsys, dockerIgnoreFile)
	if errors.Is(err, fs.ErrNotExist) {
		return dockerRules{}, "", nil
	}
	return parseDockerRules(text), dockerIgnoreFile, err
}

func parseDockerRules(text string) dockerRules {
	var out dockerRules
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var r rule
		line, r.negated = strings.CutPrefix(line, "!")
		line = strings.Trim(path.Clean("/"+strings.TrimSpace(line)), "/")
		if line == "" {
			continue
		}
		r.parts = strings.Split(line, "/")
		out.takesBack = out.takesBack || r.negated
		out.rules = append(out.rules, r)
	}
	return out
}

// ignored keeps what the build itself needs, and any folder that may hold
// something taken back.
func (d dockerRules) ignored(name string, dir bool) bool {
	if slices.Contains(always, path.Base(name)) {
		return true
	}
	if name == "Dockerfile" || name == dockerIgnoreFile || dir && d.takesBack {
		return false
	}
	parts := strings.Split(name, "/")
	out := false
	for _, r := range d.rules {
		for n := 1; n <= len(parts) && out != !r.negated; n++ {
			if fits(r.parts, parts[:n]) {
				out = !r.negated
			}
		}
	}
	return out
}
