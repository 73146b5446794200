package runtimes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"rouse.dev/rouse/internal/fn"
)

// lookup finds a program of the host in the runtime's folders and the set's;
// "" if there is none. The caller's PATH has no say.
func (s *Set) lookup(r *Runtime, program string) string {
	for _, dir := range slices.Concat(r.Path, s.search) {
		full := filepath.Join(dir, program)
		if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return full
		}
	}
	return ""
}

// SearchPath returns the host folders in which the runtime's programs are
// looked for, in order.
func (s *Set) SearchPath(r *Runtime) []string { return slices.Concat(r.Path, s.search) }

// Missing returns the requirements this host does not meet; those that depend
// on a source's files are left out.
func (s *Set) Missing(r *Runtime) []Requirement {
	var out []Requirement
	for _, q := range r.Requires {
		if len(q.When) == 0 && s.lookup(r, q.Program) == "" {
			out = append(out, q)
		}
	}
	return out
}

// findPrograms fills Plan.Programs.
func (s *Set) findPrograms(p *Plan, source fs.FS) error {
	p.Programs = map[string]string{}
	var ms fn.Mistakes
	for _, q := range p.Runtime.Requires {
		if len(q.When) > 0 && !anyExists(source, q.When) {
			continue
		}
		found := s.lookup(p.Runtime, q.Program)
		if found == "" {
			note(&ms, fn.WithHint(fn.Mistake{Field: "runtime", Reason: fmt.Sprintf(
				"%s needs the program %s, which this host does not have: install the package %s", p.Runtime.Name, q.Program, q.Package)},
				"on Debian: apt-get install %s", q.Package))
			continue
		}
		p.Programs[q.Program] = found
	}
	return ms.Err()
}

// seal computes the plan's digest. A host program counts with its size and
// time, so that an upgraded interpreter builds anew.
func (p *Plan) seal() error {
	folder, err := p.Runtime.digest()
	if err != nil {
		return fn.Errorf(fn.Internal, "reading runtime %s: %w", p.Runtime.Name, err)
	}
	programs := map[string]string{}
	for name, at := range p.Programs {
		info, err := os.Stat(at)
		if err != nil {
			return fn.Errorf(fn.Unavailable, "looking at %s: %w", at, err)
		}
		programs[name] = fmt.Sprintf("%s %d %d", at, info.Size(), info.ModTime().UnixNano())
	}
	data, err := json.Marshal(map[string]any{
		"format": 1, "arch": runtime.GOARCH, "runtime": folder, "mode": p.Mode, "handler": p.Handler,
		"program": p.Program, "values": p.Values, "files": p.Files, "steps": p.Steps, "programs": programs,
	})
	if err != nil {
		return fn.Errorf(fn.Internal, "describing a build: %w", err)
	}
	sum := sha256.Sum256(data)
	p.Digest = hex.EncodeToString(sum[:])
	return nil
}
