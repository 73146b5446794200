package process

import (
	"errors"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
)

const (
	functionDir = "/function"
	tmpDir      = "/tmp"
	defaultPath = "/usr/local/bin:/usr/bin:/bin"
	// listenPort is the same in every sandbox: each has its own network.
	listenPort = 8080
)

var instanceID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// checkSpec refuses what can never work. Specs come from the platform, so
// this catches mistakes rather than attacks; still nothing below may rely on
// a caller having checked.
func checkSpec(s *engine.Spec) error {
	if !instanceID.MatchString(s.ID) {
		return fn.Errorf(fn.Invalid, "bad instance id %q", s.ID)
	}
	if len(s.Program.Command) == 0 || s.Program.Command[0] == "" {
		return fn.Errorf(fn.Invalid, "the program has no command")
	}
	switch s.Program.Listen {
	case fn.ListenSocket, fn.ListenPort, fn.ListenNone:
	default:
		return fn.Errorf(fn.Invalid, "unknown way to listen %q", s.Program.Listen)
	}
	for _, a := range s.Program.Command {
		if strings.ContainsRune(a, 0) {
			return fn.Errorf(fn.Invalid, "an argument holds a NUL byte")
		}
	}
	for k, v := range s.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.ContainsRune(v, 0) {
			return fn.Errorf(fn.Invalid, "bad environment variable %q", k)
		}
	}
	if s.Root != "" && !path.IsAbs(s.Root) {
		return fn.Errorf(fn.Invalid, "root %q is not absolute", s.Root)
	}
	if s.Limits.Memory < 0 || s.Limits.CPU < 0 || s.Limits.Pids < 0 || s.Limits.Tmp < 0 {
		return fn.Errorf(fn.Invalid, "a limit is negative")
	}
	return errors.Join(checkMounts(s), checkFiles(s))
}

func checkMounts(s *engine.Spec) error {
	seen := map[string]bool{}
	if s.Root != "" {
		seen[functionDir] = true
	}
	for _, m := range s.Mounts {
		if !path.IsAbs(m.Source) || !path.IsAbs(m.Target) || path.Clean(m.Target) != m.Target || m.Target == "/" ||
			strings.ContainsRune(m.Source+m.Target, 0) {
			return fn.Errorf(fn.Invalid, "bad mount of %q at %q", m.Source, m.Target)
		}
		if reserved(m.Target) || seen[m.Target] {
			return fn.Errorf(fn.Invalid, "nothing may be mounted at %q", m.Target)
		}
		seen[m.Target] = true
	}
	return nil
}

// reserved says that a path lies where the sandbox's own things are.
func reserved(p string) bool {
	top, _, _ := strings.Cut(p[1:], "/")
	return slices.Contains([]string{"proc", "dev", "sys", "etc", "usr", "bin", "sbin", "lib", "lib64", "tmp"}, top)
}

// environ is the whole environment of the program, sorted.
func environ(s *engine.Spec) []string {
	env := map[string]string{"PATH": defaultPath, "HOME": tmpDir, "TMPDIR": tmpDir}
	maps.Copy(env, s.Env)
	switch s.Program.Listen {
	case fn.ListenSocket:
		env["LISTEN_FDS"], env["LISTEN_FDNAMES"], env["LISTEN_PID"] = "1", "http", "1"
		delete(env, "PORT")
	case fn.ListenPort:
		env["PORT"] = strconv.Itoa(listenPort)
		dropListen(env)
	default:
		dropListen(env)
	}
	out := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

func dropListen(env map[string]string) {
	for _, k := range []string{"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID"} {
		delete(env, k)
	}
}

// candidates are the paths the program may have: its own, or each folder of
// the sandbox's PATH.
func candidates(name string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	dirs := defaultPath
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, "PATH="); ok {
			dirs = v
		}
	}
	var out []string
	for d := range strings.SplitSeq(dirs, ":") {
		if path.IsAbs(d) && len(out) < 64 {
			out = append(out, path.Join(d, name))
		}
	}
	if out == nil {
		out = []string{"/usr/bin/" + name}
	}
	return out
}

// workDir is where the program starts.
func workDir(s *engine.Spec) string {
	if s.Program.Dir == "" {
		return functionDir
	}
	return s.Program.Dir
}
