package cli

import (
	"context"
	"io"
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/conf"
)

// Deps is all the command line has of the world. Functions may be nil where
// noted.
type Deps struct {
	In       io.Reader
	Out, Err io.Writer

	// InData says that In is a pipe or a file, so that it is meant as data.
	InData bool
	// OutTerminal and ErrTerminal say where a person reads along.
	OutTerminal, ErrTerminal bool

	Env     func(string) (string, bool) // os.LookupEnv
	Dir     string                      // working folder
	Root    bool                        // the user is root
	Version string

	// Up runs a server until ctx ends, and calls ready once it serves.
	Up func(ctx context.Context, c conf.Config, ready func(Ready)) error
	// Doctor looks at this host when no server answers. May be nil.
	Doctor func(ctx context.Context, c conf.Config) (api.DoctorReport, error)

	Now  func() time.Time // nil: time.Now
	Zone *time.Location   // nil: time.Local
}

// Ready describes a server that serves.
type Ready struct {
	URL      string // where it answers
	Password string // of user admin, if this start made it; it is shown once
}

// cli is the state of one command: the world and the global flags.
type cli struct {
	Deps
	url, data, output string
	gateway           string // where a stack file says the server is; "" if none does
	look              styles // on Out
	errLook           styles // on Err
}
