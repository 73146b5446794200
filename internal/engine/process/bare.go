package process

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/engine/process/view"
	"rouse.dev/rouse/internal/fn"
)

// bareFiles is for hosts without user namespaces. Nothing can be mounted, so
// the paths a sandbox would have are replaced by the host's wherever the
// program is told about them, and Landlock allows those alone.
func (d *draft) bareFiles(mounts []engine.Mount) error {
	d.tmp = filepath.Join(d.e.cfg.path("tmp"), d.spec.ID)
	if err := os.Mkdir(d.tmp, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fn.Errorf(fn.Internal, "making the instance's /tmp: %w", err)
	}
	tmp := d.tmp
	d.keep.add(func() { _ = os.RemoveAll(tmp) })
	d.box.TmpDir = tmp
	names := []string{tmpDir, tmp}
	for _, m := range mounts {
		file, err := d.open(m)
		if err != nil {
			return err
		}
		names = append(names, m.Target, m.Source)
		d.box.Binds = append(d.box.Binds, plan.Bind{Source: m.Source, Writable: m.Writable, File: file})
	}
	private, err := d.bareFolders()
	if err != nil {
		return err
	}
	d.bareHost()
	d.rename(append(names, private...))
	return d.barePort()
}

// bareHost allows the runtime folders and what of /etc and /dev a program
// needs.
func (d *draft) bareHost() {
	c := d.e.cfg.view()
	paths := append(c.Binds(), "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory",
		"/etc/passwd", "/etc/group", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf")
	for _, p := range d.e.cfg.EtcPaths {
		paths = append(paths, "/etc/"+p)
	}
	for _, p := range paths {
		if fi, err := os.Stat(p); err == nil && p != "/proc/self" {
			d.box.Binds = append(d.box.Binds, plan.Bind{Source: p, File: !fi.IsDir()})
		}
	}
	d.box.Devices = view.Devices()
	d.box.Limits = append(d.box.Limits, capped("size of a file in /tmp", syscall.RLIMIT_FSIZE, uint64(d.box.Tmp)))
}

// rename replaces sandbox paths by host paths. names alternates the two.
func (d *draft) rename(names []string) {
	host := func(s string) string {
		for i := 0; i < len(names); i += 2 {
			s = replacePath(s, names[i], names[i+1])
		}
		return s
	}
	b := &d.box
	b.Dir = host(b.Dir)
	b.Argv = mapStrings(b.Argv, host)
	b.Candidates = mapStrings(b.Candidates, host)
	b.Env = mapStrings(b.Env, host)
}

func mapStrings(in []string, f func(string) string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = f(s)
	}
	return out
}

// replacePath replaces from where it stands for a whole path or the start of
// one: at the beginning of s or after one of "=:,", and before "/" or the end
// of a word.
func replacePath(s, from, to string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, from)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		end := i + len(from)
		starts := i == 0 && b.Len() == 0 || i > 0 && strings.IndexByte("=:, ", s[i-1]) >= 0
		ends := end == len(s) || strings.IndexByte("/:, ", s[end]) >= 0
		b.WriteString(s[:i])
		if starts && ends {
			b.WriteString(to)
		} else {
			b.WriteString(from)
		}
		s = s[end:]
	}
}

// barePort gives the program a port of its own and keeps it off the network
// if it must not use it.
func (d *draft) barePort() error {
	env := d.box.Env[:0:0]
	for _, e := range d.box.Env {
		// The process id is not known before it exists.
		if !strings.HasPrefix(e, "PORT=") && !strings.HasPrefix(e, "LISTEN_PID=") {
			env = append(env, e)
		}
	}
	d.box.Env = env
	d.box.Ruleset.NoTCP = d.spec.Network != fn.NetworkOn
	if d.spec.Program.Listen != fn.ListenPort {
		if d.box.Ruleset.NoTCP {
			d.box.Filter = d.e.offline.plan()
		}
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fn.Errorf(fn.Exhausted, "finding a free port: %w", err)
	}
	d.port = l.Addr().(*net.TCPAddr).Port
	d.box.Ruleset.Port = d.port
	d.box.Env = append(d.box.Env, "PORT="+strconv.Itoa(d.port))
	return l.Close()
}
