package datadir

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// acquire locks the folder for this process. The kernel drops the lock when the
// file is closed, however the process ends; the file itself stays.
func acquire(root *os.Root, abs string) (*os.File, error) {
	f, err := root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "%w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = inUse(abs, holder(f))
	case err != nil:
		err = fn.Errorf(fn.Internal, "locking %s: %w", f.Name(), err)
	default:
		err = sign(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// sign writes our process id into the lock file.
func sign(f *os.File) error {
	text := strconv.Itoa(os.Getpid()) + "\n"
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return fn.Errorf(fn.Internal, "writing the lock file: %w", err)
	}
	if err := f.Truncate(int64(len(text))); err != nil {
		return fn.Errorf(fn.Internal, "writing the lock file: %w", err)
	}
	return nil
}

// holder returns the process id in a lock file, or 0 if it says none.
func holder(f *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

func inUse(abs string, pid int) error {
	if pid == 0 {
		return fn.WithHint(fn.Errorf(fn.Conflict, "%s is in use by another server", abs),
			"stop that server first, or name another folder with --data")
	}
	return fn.WithHint(fn.Errorf(fn.Conflict, "%s is in use by the server with process id %d", abs, pid),
		"stop that server first (kill %d), or name another folder with --data", pid)
}
