package process

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/engine/process/plan"
	"rouse.dev/rouse/internal/engine/process/view"
	"rouse.dev/rouse/internal/fn"
)

// files decides what the sandbox sees.
func (d *draft) files(context.Context) error {
	mounts := d.spec.Mounts
	if d.spec.Root != "" {
		mounts = append([]engine.Mount{{Source: d.spec.Root, Target: functionDir}}, mounts...)
	}
	switch d.level {
	case plan.Full:
		return d.fullFiles(mounts)
	case plan.User:
		return d.userFiles(mounts)
	}
	return d.bareFiles(mounts)
}

// fullFiles takes the prepared view and detaches a read-only copy of each
// mounted folder, to be attached inside.
func (d *draft) fullFiles(mounts []engine.Mount) error {
	var resolv []byte
	if d.net != nil {
		resolv = d.net.Resolv()
	}
	v, put, err := d.e.views.Get(resolv)
	if err != nil {
		return fn.Errorf(fn.Internal, "preparing what sandboxes see: %w", err)
	}
	d.undo.add(put)
	d.box.View = v.FD()
	for _, m := range mounts {
		file, err := d.open(m)
		if err != nil {
			return err
		}
		if err := v.Target(m.Target, file); err != nil {
			return fn.Errorf(fn.Internal, "making mount point %s: %w", m.Target, err)
		}
		fd, err := detach(m)
		if err != nil {
			return fn.Errorf(fn.Internal, "mounting %s at %s: %w", m.Source, m.Target, err)
		}
		d.undo.closeFD(fd)
		d.box.Trees = append(d.box.Trees, plan.Tree{FD: fd, Target: m.Target, Writable: m.Writable})
	}
	return d.private(func(target string) error { return v.Target(target, false) })
}

// open checks a mount's source and, if it is writable, gives it to the
// function's uid.
func (d *draft) open(m engine.Mount) (file bool, err error) {
	fi, err := os.Stat(m.Source)
	if err != nil {
		return false, fn.Errorf(fn.Invalid, "nothing to mount at %s: %w", m.Target, err)
	}
	if !fi.IsDir() && !fi.Mode().IsRegular() {
		return false, fn.Errorf(fn.Invalid, "%s is neither a file nor a folder", m.Source)
	}
	if m.Writable && d.level == plan.Full {
		if err := giveTo(m.Source, fi, d.uid); err != nil {
			return false, fn.Errorf(fn.Internal, "giving %s to the function: %w", m.Source, err)
		}
	}
	return !fi.IsDir(), nil
}

// detach copies the mount of a path. Programs with set-user-id bits gain
// nothing there, devices do not open.
func detach(m engine.Mount) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, err
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, Propagation: unix.MS_PRIVATE}
	if !m.Writable {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
	} else {
		attr.Attr_clr |= unix.MOUNT_ATTR_NOEXEC
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, attr); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// giveTo changes the owner of a folder and all that is in it, following no
// link out of it. What a function writes belongs to its uid on disk too:
// never to root, whatever mode bits it sets.
func giveTo(source string, fi fs.FileInfo, uid int) error {
	if !fi.IsDir() {
		return os.Lchown(source, uid, uid)
	}
	root, err := os.OpenRoot(source)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if owner(info) == uid {
			return nil
		}
		return root.Lchown(p, uid, uid)
	})
}

// userFiles has the child bind what it shall see.
func (d *draft) userFiles(mounts []engine.Mount) error {
	c := d.e.cfg.view()
	d.box.Base, d.box.Devices = d.e.base, view.Devices()
	for _, dir := range c.Binds() {
		d.box.Binds = append(d.box.Binds, plan.Bind{Source: dir, Target: dir})
	}
	for _, m := range mounts {
		file, err := d.open(m)
		if err != nil {
			return err
		}
		if err := d.e.baseTarget(m.Target, file); err != nil {
			return fn.Errorf(fn.Internal, "making mount point %s: %w", m.Target, err)
		}
		d.box.Binds = append(d.box.Binds, plan.Bind{Source: m.Source, Target: m.Target, Writable: m.Writable, File: file})
	}
	return d.private(func(target string) error { return d.e.baseTarget(target, false) })
}

// baseTarget makes a mount point in the prepared root folder.
func (e *Engine) baseTarget(target string, file bool) error {
	root, err := os.OpenRoot(e.base)
	if err != nil {
		return err
	}
	defer root.Close()
	return view.MakeTarget(root, target, file)
}
