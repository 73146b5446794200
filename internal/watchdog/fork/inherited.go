package fork

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
)

// Inherited opens the listening socket on descriptor 3 and makes sure that no
// program started from here gets it. It is Invalid if there is none.
func Inherited() (net.Listener, error) {
	unix.CloseOnExec(3)
	f := os.NewFile(3, "http")
	defer f.Close() // the listener has its own copy
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fn.WithHint(fn.Errorf(fn.Invalid, "watchdog: descriptor 3 is not a listening socket: %w", err),
			"it is the platform that passes one; alone, use rouse watchdog --of or --classic")
	}
	return l, nil
}
