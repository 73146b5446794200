package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/fn"
)

// memoryDir is where a host keeps files in memory.
const memoryDir = "/dev/shm"

// shm is this server's folder of files that are in memory only.
func (c *Config) shm() string {
	return filepath.Join(memoryDir, "rouse-"+strconv.Itoa(os.Geteuid())+"-"+c.ServerID)
}

// openShm makes the folder and makes sure that it is in memory and nobody
// else's: everybody may make one of that name.
func (c *Config) openShm() (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(memoryDir, &st); err != nil || st.Type != unix.TMPFS_MAGIC && st.Type != unix.RAMFS_MAGIC {
		return "", fn.WithHint(fn.Errorf(fn.Unavailable, "this host has no files in memory at %s, and its sandboxes cannot mount any", memoryDir),
			"mount a tmpfs at %s, or start the server as root, or allow user namespaces: rouse doctor says more", memoryDir)
	}
	dir := c.shm()
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fn.Errorf(fn.Internal, "making a folder in memory: %w", err)
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return "", fn.Errorf(fn.Internal, "making a folder in memory: %w", err)
	}
	if !fi.IsDir() || fi.Mode().Perm() != 0o700 || owner(fi) != os.Geteuid() {
		return "", fn.WithHint(fn.Errorf(fn.Unavailable, "%s is not this server's own folder", dir), "find out who made it, and remove it")
	}
	return dir, nil
}

// bareFolders is for hosts that can mount nothing: private files lie in a
// folder in memory that Landlock shows to this instance alone. It returns
// where the program finds them, as alternating sandbox and host paths.
func (d *draft) bareFolders() (names []string, err error) {
	folders := foldersOf(d.spec.Files)
	if len(folders) == 0 {
		return nil, nil
	}
	all, err := d.e.cfg.openShm()
	if err != nil {
		return nil, err
	}
	mine := filepath.Join(all, d.spec.ID)
	if err := os.Mkdir(mine, 0o700); err != nil {
		return nil, fn.Errorf(fn.Internal, "making the instance's folder in memory: %w", err)
	}
	d.keep.add(func() { _ = os.RemoveAll(mine) })
	for i, f := range folders {
		dir := filepath.Join(mine, strconv.Itoa(i))
		if err := fill(dir, f.Files); err != nil {
			return nil, err
		}
		d.box.Binds = append(d.box.Binds, plan.Bind{Source: dir})
		for _, t := range f.Targets {
			names = append(names, t, dir)
		}
	}
	return names, nil
}

// fill makes a folder of files.
func fill(dir string, files []plan.File) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fn.Errorf(fn.Internal, "making a private folder: %w", err)
	}
	for _, f := range files {
		w, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(f.Mode))
		if err != nil {
			return fn.Errorf(fn.Internal, "making a private file: %w", err)
		}
		_, err = w.Write(f.Data)
		if err := errors.Join(err, w.Close()); err != nil {
			return fn.Errorf(fn.Exhausted, "writing a private file: %w", err)
		}
	}
	return nil
}

// recoverShm removes what an earlier server left in memory.
func (e *Engine) recoverShm() (int, error) {
	dir := e.cfg.shm()
	if fi, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && owner(fi) != os.Geteuid() {
		return 0, nil
	}
	n, err := empty(dir)
	if err = errors.Join(err, os.Remove(dir)); err != nil {
		return n, fmt.Errorf("emptying %s: %w", dir, err)
	}
	return n, nil
}
