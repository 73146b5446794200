package control

import (
	"context"
	"io"

	"rouse.dev/rouse/internal/store"
)

// Archive writes and reads backups.
type Archive interface {
	// Backup writes a consistent copy of all objects and artifacts.
	Backup(ctx context.Context, w io.Writer) error
	// Unpack checks a backup whole, validate for each object, and unpacks it
	// beside the state in force.
	Unpack(ctx context.Context, r io.Reader, validate func(store.Object) error) (Unpacked, error)
}

// Unpacked is a checked backup. Close removes what is left of it.
type Unpacked struct {
	Objects   []store.Object
	Artifacts string // folder, on the file system of the state in force
	Bytes     int64
	Close     func() error
}

// Backup writes a consistent copy of all state and artifacts to w.
func (c *Controller) Backup(ctx context.Context, w io.Writer) error {
	return c.cfg.Archive.Backup(ctx, w)
}
