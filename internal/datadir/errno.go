package datadir

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isNameError reports whether the kernel refused a name, not the work.
func isNameError(err error) bool {
	for _, e := range [...]error{unix.ENOTDIR, unix.EISDIR, unix.ENAMETOOLONG, unix.ELOOP, unix.EINVAL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
