package view

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Config says what a view consists of.
type Config struct {
	// RuntimeDirs are host folders that appear at the same path. Top-level
	// symbolic links such as /bin → usr/bin are added by themselves.
	RuntimeDirs []string
	// EtcPaths are files and folders of /etc, relative to it, that are copied
	// as far as everybody may read them.
	EtcPaths []string
	Hostname string
}

// DefaultRuntimeDirs hold a distribution's programs and libraries.
func DefaultRuntimeDirs() []string { return []string{"/usr"} }

// DefaultEtcPaths are what libraries and interpreters look for.
func DefaultEtcPaths() []string {
	return []string{
		"ld.so.cache", "localtime", "timezone", "mime.types", "services", "protocols", "os-release", "gai.conf", "magic",
		"alternatives", "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust/extracted", "fonts", "crypto-policies",
		"java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "java-25-openjdk", "python3.11", "python3.12", "python3.13",
	}
}

// Limits of what is copied from /etc.
const (
	maxEtcFile  = 4 << 20
	maxEtcFiles = 4096
)

// rootLinks may be links into /usr or folders of their own.
var rootLinks = [...]string{"/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"}

// binds returns the runtime folders that exist, with the top-level folders
// that are no links on this host.
func (c *Config) binds() []string {
	var out []string
	for _, d := range slices.Concat(c.RuntimeDirs, rootLinks[:]) {
		if fi, err := os.Lstat(d); err == nil && fi.IsDir() && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// populate lays the tree out below dir, which is empty.
func (c *Config) populate(dir string, resolv []byte) error {
	at := func(p string) string { return filepath.Join(dir, p) }
	for _, d := range slices.Concat(c.binds(), []string{"/etc", "/dev", "/proc", "/run", "/var/empty", "/function"}) {
		if err := os.MkdirAll(at(d), 0o755); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Mkdir(at("/tmp"), 0o755), os.Chmod(at("/tmp"), 0o1777)); err != nil {
		return err
	}
	links := map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1",
		"/dev/stderr": "/proc/self/fd/2", "/dev/shm": "/tmp", "/var/tmp": "/tmp", "/etc/mtab": "/proc/self/mounts",
	}
	for _, l := range rootLinks {
		if to, err := os.Readlink(l); err == nil {
			links[l] = to
		}
	}
	for name, to := range links {
		if err := os.Symlink(to, at(name)); err != nil {
			return err
		}
	}
	for name, text := range c.etc(resolv) {
		if err := os.WriteFile(at("/etc/"+name), text, 0o644); err != nil {
			return err
		}
	}
	return c.copyEtc(at("/etc"))
}

// etc are the files that do not come from the host.
func (c *Config) etc(resolv []byte) map[string][]byte {
	return map[string][]byte{
		"passwd": []byte("root:x:0:0:root:/:/usr/sbin/nologin\nfn:x:1000:1000:function:/tmp:/bin/sh\n" +
			"nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"),
		"group":         []byte("root:x:0:\nfn:x:1000:\nnogroup:x:65534:\n"),
		"hosts":         fmt.Appendf(nil, "127.0.0.1\tlocalhost %s\n::1\tlocalhost\n", c.Hostname),
		"hostname":      []byte(c.Hostname + "\n"),
		"nsswitch.conf": []byte("passwd: files\ngroup: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n"),
		"resolv.conf":   resolv,
	}
}

// copyEtc copies what the configuration names. It copies rather than binds:
// fewer mounts for every start, and nothing that appears in /etc later can
// show up in a running sandbox.
func (c *Config) copyEtc(to string) error {
	n := 0
	for _, name := range c.EtcPaths {
		src := filepath.Join("/etc", name)
		err := filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // absent or unreadable: not part of the view
			}
			if n++; n > maxEtcFiles {
				return fs.SkipAll
			}
			rel, err := filepath.Rel("/etc", p)
			if err != nil {
				return err
			}
			return copyEntry(p, filepath.Join(to, rel), p == src)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// copyEntry copies one file, folder or link. A link named in the configuration
// itself (localtime) is followed.
func copyEntry(from, to string, follow bool) error {
	stat := os.Lstat
	if follow {
		stat = os.Stat
	}
	fi, err := stat(from)
	switch {
	case err != nil:
		return nil //nolint:nilerr // a dangling link
	case fi.IsDir():
		return os.MkdirAll(to, 0o755)
	case fi.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return nil //nolint:nilerr // gone meanwhile
		}
		return ignoreExist(os.Symlink(target, to))
	case !fi.Mode().IsRegular() || fi.Mode()&0o004 == 0 || fi.Size() > maxEtcFile:
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return nil //nolint:nilerr // gone meanwhile
	}
	if err := os.MkdirAll(path.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

func ignoreExist(err error) error {
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// fingerprint changes when a named path of /etc does.
func (c *Config) fingerprint() string {
	var b bytes.Buffer
	for _, name := range c.EtcPaths {
		var st unix.Stat_t
		if unix.Stat("/etc/"+name, &st) == nil {
			fmt.Fprintf(&b, "%s %d %d %d.%d\n", name, st.Ino, st.Size, st.Mtim.Sec, st.Mtim.Nsec)
		}
	}
	return b.String()
}

// devices are the character devices of a sandbox: name, major, minor.
var devices = [...]struct {
	name         string
	major, minor uint32
}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}}

// Devices returns the paths of the devices of a sandbox.
func Devices() []string {
	var out []string
	for _, d := range devices {
		out = append(out, "/dev/"+d.name)
	}
	return out
}

// Populate lays the tree out in an empty folder, for whoever mounts it
// himself: devices are empty files to mount over.
func (c *Config) Populate(dir string) error {
	if err := c.populate(dir, nil); err != nil {
		return err
	}
	for _, d := range Devices() {
		if err := os.WriteFile(filepath.Join(dir, d), nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Binds returns the host folders to mount at the same path.
func (c *Config) Binds() []string { return c.binds() }
