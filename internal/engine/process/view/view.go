package view

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// View is a prepared mount namespace.
type View struct {
	ns   int // the namespace; nothing lives in it
	root int // a writable mount of the tree, seen by nobody else

	mu      sync.Mutex
	targets map[string]bool // guarded by mu: mount points made so far
}

// Build makes a view, as root. The mount point is an empty folder; nothing
// stays mounted on it.
func Build(c Config, mountPoint string, resolv []byte) (*View, error) {
	var v *View
	var err error
	onThread(func() { v, err = build(&c, mountPoint, resolv) })
	return v, err
}

// onThread runs f on an OS thread that ends with it, as f changes what the
// thread is. It must not be the main thread: that one never ends, and
// /proc/self of the whole server would show what f did to it.
func onThread(f func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onThread(f) // while this goroutine keeps the main thread
			runtime.UnlockOSThread()
			return
		}
		f()
	})
	wg.Wait()
}

func build(c *Config, dir string, resolv []byte) (v *View, err error) {
	v = &View{ns: -1, root: -1, targets: map[string]bool{"/function": true}}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("making a mount namespace: %w", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("rouse", dir, "tmpfs", unix.MS_NOSUID, "size=64m,mode=0755"); err != nil {
		return nil, fmt.Errorf("mounting the view: %w", err)
	}
	if err := c.populate(dir, resolv); err != nil {
		return nil, fmt.Errorf("populating the view: %w", err)
	}
	for _, d := range devices {
		p := dir + "/dev/" + d.name
		if err := unix.Mknod(p, unix.S_IFCHR|0o666, int(unix.Mkdev(d.major, d.minor))); err != nil {
			return nil, fmt.Errorf("making device %s: %w", d.name, err)
		}
		if err := os.Chmod(p, 0o666); err != nil {
			return nil, err
		}
	}
	// Cloned before the runtime folders cover their mount points.
	v.root, err = unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cloning the view: %w", err)
	}
	for _, d := range c.binds() {
		if err := bindReadOnly(d, dir+d); err != nil {
			return nil, err
		}
	}
	v.ns, err = unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the mount namespace: %w", err)
	}
	return v, enter(dir)
}

func bindReadOnly(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", from, err)
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(unix.AT_FDCWD, to, unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("mounting %s read-only: %w", from, err)
	}
	return nil
}

// enter makes dir the namespace's only root.
func enter(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, attr); err != nil {
		return fmt.Errorf("making the root read-only: %w", err)
	}
	return nil
}

// FD returns the mount namespace, close-on-exec and owned by the view.
func (v *View) FD() int { return v.ns }

// Target makes a mount point, a folder or an empty file, for something a
// sandbox gets besides its view.
func (v *View) Target(target string, file bool) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.targets[target] {
		return nil
	}
	if !path.IsAbs(target) || path.Clean(target) != target || target == "/" {
		return fmt.Errorf("bad mount target %q", target)
	}
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", v.root))
	if err != nil {
		return err
	}
	defer root.Close()
	err = MakeTarget(root, target, file)
	v.targets[target] = err == nil
	return err
}

// MakeTarget makes an empty folder or file at an absolute path below root.
func MakeTarget(root *os.Root, target string, file bool) error {
	rel := strings.TrimPrefix(target, "/")
	if !file {
		return root.MkdirAll(rel, 0o755)
	}
	if err := root.MkdirAll(path.Dir(rel), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(rel, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// Close gives the namespace up; sandboxes that copied it keep theirs.
func (v *View) Close() error {
	var errs []error
	for _, fd := range []int{v.ns, v.root} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}
