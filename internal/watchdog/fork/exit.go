package fork

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrGone is the cause of an Exit when the caller left before the end.
var ErrGone = errors.New("the caller left")

// Exit says how a program failed.
type Exit struct {
	Status unix.WaitStatus
	Cause  error // why we killed it, nil if we did not
}

func (e *Exit) Error() string {
	switch {
	case e.Cause != nil:
		return fmt.Sprintf("the program was stopped: %v", e.Cause)
	case e.Status.Signaled():
		return fmt.Sprintf("the program was ended by signal: %v", e.Status.Signal())
	}
	return fmt.Sprintf("the program ended with exit status %d", e.Status.ExitStatus())
}

// Unwrap returns why we killed it.
func (e *Exit) Unwrap() error { return e.Cause }
