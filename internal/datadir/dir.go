package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"rouse.dev/rouse/internal/fn"
)

// Names in a data folder.
const (
	formatFile  = "format"
	lockFile    = "lock"
	addressFile = "address"

	storeDir     = "store"
	queueDir     = "queue"
	artifactsDir = "artifacts"
	logsDir      = "logs"
	sourcesDir   = "sources"
	runDir       = "run"
	tmpDir       = "tmp"
)

// subfolders are made by Open, all with mode 0700.
var subfolders = [...]string{storeDir, queueDir, artifactsDir, logsDir, sourcesDir, runDir, tmpDir}

// Dir is an open data folder. Its methods may be called from several goroutines.
type Dir struct {
	path string
	lock *os.File // holds the lock until it is closed

	// artifacts is held for reading while artifacts are being copied, for
	// writing while some are being removed.
	artifacts sync.RWMutex
}

// Open locks the data folder at path, makes it if it does not exist or is
// empty, migrates it if it is of an older format, and empties its tmp folder.
//
// It fails with fn.Conflict if another server has the folder, and with
// fn.Invalid if it is of a newer format or no data folder at all; nothing was
// changed then.
func Open(path string) (*Dir, error) {
	d, err := open(path, migrations())
	if err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	return d, nil
}

func open(path string, table []migration) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fn.Errorf(fn.Invalid, "%s: %w", path, err)
	}
	if err := makeFolder(abs); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return nil, cannotUse(abs, err)
	}
	defer root.Close()
	if err := checkOurs(root, abs); err != nil {
		return nil, err
	}
	if err := closeToOthers(root, abs); err != nil {
		return nil, err
	}
	lock, err := acquire(root, abs)
	if err != nil {
		return nil, err
	}
	if err := prepare(root, abs, table); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Dir{path: abs, lock: lock}, nil
}

// makeFolder makes the folder and those above it that are missing, durably.
func makeFolder(abs string) error {
	info, err := os.Stat(abs)
	if err == nil && !info.IsDir() {
		return fn.Errorf(fn.Invalid, "%s is not a folder", abs)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return cannotUse(abs, err)
	}
	parent := filepath.Dir(abs)
	if err := makeFolder(parent); err != nil {
		return err
	}
	if err := os.Mkdir(abs, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return cannotUse(abs, err)
	}
	return syncPath(parent)
}

func cannotUse(abs string, err error) error {
	if err == nil {
		return nil
	}
	return fn.WithHint(fn.Errorf(fn.Invalid, "%w", err), "name a folder that this user may write, with --data, not %s", abs)
}

// syncPath makes the entries of a folder durable, if this user may read it.
func syncPath(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return nil
	}
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	return nil
}

// closeToOthers takes other users' rights to the folder away.
func closeToOthers(root *os.Root, abs string) error {
	info, err := root.Stat(".")
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		if err := root.Chmod(".", mode&^0o077); err != nil {
			return fn.WithHint(fn.Errorf(fn.Denied, "%w", err), "others may read %s and it is not ours to close: name another folder with --data", abs)
		}
	}
	return nil
}

// checkOurs refuses folders that hold something else.
func checkOurs(root *os.Root, abs string) error {
	if _, err := root.Stat(formatFile); err == nil {
		return nil
	}
	names, err := listNames(root, ".")
	if err != nil {
		return err
	}
	for _, name := range names {
		switch name {
		case lockFile, formatFile + newSuffix, "lost+found": // from a first start that was cut short; a fresh file system
		default:
			return fn.WithHint(fn.Errorf(fn.Invalid, "%s is not a data folder, and it holds %s", abs, name),
				"name a folder that is empty or does not exist, with --data")
		}
	}
	return nil
}

// prepare does what needs the lock.
func prepare(root *os.Root, abs string, table []migration) error {
	if err := migrate(root, abs, table); err != nil {
		return err
	}
	if err := makeSubfolders(root); err != nil {
		return err
	}
	return emptyTmp(root, abs)
}

func makeSubfolders(root *os.Root) error {
	for _, name := range subfolders {
		if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return fn.Errorf(fn.Internal, "%w", err)
		}
	}
	if err := syncFolder(root, "."); err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	return nil
}

func listNames(root *os.Root, dir string) ([]string, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "%w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "listing %s: %w", f.Name(), err)
	}
	return names, nil
}

// Path is the absolute path of the folder.
func (d *Dir) Path() string { return d.path }

// Store is where the store adapter keeps its files.
func (d *Dir) Store() string { return filepath.Join(d.path, storeDir) }

// Queue is where the queue adapter keeps its files. A backup leaves them out.
func (d *Dir) Queue() string { return filepath.Join(d.path, queueDir) }

// Artifacts is where builds go: each in a folder or file of its own, named by
// digest, that appears by rename and never changes. Names that begin with a dot
// are unfinished and not backed up.
func (d *Dir) Artifacts() string { return filepath.Join(d.path, artifactsDir) }

// Logs is where the output of functions goes.
func (d *Dir) Logs() string { return filepath.Join(d.path, logsDir) }

// Sources is where uploaded sources are kept for the next build.
func (d *Dir) Sources() string { return filepath.Join(d.path, sourcesDir) }

// Run is for sockets and marks of running instances. Open leaves it as it is:
// what it holds leads to what a killed server left behind.
func (d *Dir) Run() string { return filepath.Join(d.path, runDir) }

// Tmp is for files that are of no use to the next server. Open empties it.
func (d *Dir) Tmp() string { return filepath.Join(d.path, tmpDir) }

// CollectArtifacts calls remove, which may remove artifacts. It fails with
// fn.Unavailable while a backup copies them: try again later.
func (d *Dir) CollectArtifacts(remove func() error) error {
	if !d.artifacts.TryLock() {
		return fn.Errorf(fn.Unavailable, "removing artifacts: a backup is copying them")
	}
	defer d.artifacts.Unlock()
	return remove()
}

// Announce writes host and port of the server into the folder's file "address",
// where the command line of this machine looks for it. Close removes the file;
// that of a server that was killed stays until the next one starts.
func (d *Dir) Announce(address string) error {
	if err := os.WriteFile(filepath.Join(d.path, addressFile), []byte(address+"\n"), 0o600); err != nil {
		return fn.Errorf(fn.Internal, "writing where the server is: %w", err)
	}
	return nil
}

// Close gives the folder up to other servers.
func (d *Dir) Close() error {
	err := os.Remove(filepath.Join(d.path, addressFile)) // before the next one can write its own
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err := errors.Join(err, d.lock.Close()); err != nil {
		return fn.Errorf(fn.Internal, "closing the data folder: %w", err)
	}
	return nil
}
