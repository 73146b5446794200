package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"rouse.dev/rouse/internal/fn"
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

// Restore makes the state that of a backup. Functions that serve go on until
// the switch; their calls in hand are finished.
func (c *Controller) Restore(ctx context.Context, r io.Reader, replace bool) (BackupInfo, error) {
	u, err := c.cfg.Archive.Unpack(ctx, r, Validate)
	if err != nil {
		return BackupInfo{}, err
	}
	info, err := c.restore(ctx, u, replace)
	return info, errors.Join(err, u.Close())
}

func (c *Controller) restore(ctx context.Context, u Unpacked, replace bool) (BackupInfo, error) {
	c.building.Lock() // no deploy is under way, none begins
	defer c.building.Unlock()
	old, err := c.everything(ctx)
	if err != nil {
		return BackupInfo{}, err
	}
	if n := count(old, kindFunctions); n > 0 && !replace {
		return BackupInfo{}, fn.WithHint(fn.Errorf(fn.Conflict, "there are %d functions already", n),
			"restore --replace removes them and puts the backup in their place")
	}
	if err := c.adoptArtifacts(u.Artifacts); err != nil {
		return BackupInfo{}, err
	}
	var changes []store.Change
	for _, o := range old {
		changes = append(changes, store.Change{Key: o.Key, IfVersion: o.Version})
	}
	changes = append(changes, writes(u.Objects)...)
	if _, err := c.cfg.Store.Apply(ctx, merged(changes)...); err != nil {
		return BackupInfo{}, err
	}
	for _, o := range old {
		if o.Kind == kindFunctions {
			c.cfg.Routes.Delete(fn.Ref{Namespace: o.Namespace, Name: o.Name})
		}
	}
	for _, s := range c.cfg.Pool.Stats(fn.Ref{}) {
		c.cfg.Pool.Forget(s.Revision) // a revision of the same number may be another one now
	}
	info := BackupInfo{
		Bytes: u.Bytes, Namespaces: count(u.Objects, kindNamespaces),
		Functions: count(u.Objects, kindFunctions), Revisions: count(u.Objects, kindRevisions),
	}
	return info, c.Load(context.WithoutCancel(ctx)) // stored: what runs must follow
}

// everything lists all objects.
func (c *Controller) everything(ctx context.Context) ([]store.Object, error) {
	var all []store.Object
	for _, kind := range Kinds() {
		objects, _, err := c.cfg.Store.List(ctx, store.Query{Kind: kind})
		if err != nil {
			return nil, err
		}
		all = append(all, objects...)
	}
	return all, nil
}

func count(objects []store.Object, kind string) int {
	n := 0
	for _, o := range objects {
		if o.Kind == kind {
			n++
		}
	}
	return n
}

func writes(objects []store.Object) []store.Change {
	changes := make([]store.Change, 0, len(objects))
	for _, o := range objects {
		changes = append(changes, store.Change{Key: o.Key, Labels: o.Labels, Value: o.Value})
	}
	return changes
}

// merged makes one change of a deletion followed by a write of the same key:
// a batch may name a key once.
func merged(changes []store.Change) []store.Change {
	at := make(map[store.Key]int, len(changes))
	out := changes[:0]
	for _, ch := range changes {
		if i, ok := at[ch.Key]; ok {
			ch.IfVersion = out[i].IfVersion
			out[i] = ch
			continue
		}
		at[ch.Key] = len(out)
		out = append(out, ch)
	}
	return out
}

// adoptArtifacts moves artifacts of a backup to those in force. They are named
// by content: one that is here already is the same.
func (c *Controller) adoptArtifacts(from string) error {
	entries, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listing artifacts: %w", err)
	}
	for _, e := range entries {
		to := filepath.Join(c.cfg.Artifacts, e.Name())
		if _, err := os.Lstat(to); err == nil {
			continue
		}
		if err := os.Rename(filepath.Join(from, e.Name()), to); err != nil {
			return fn.Errorf(fn.Internal, "restoring artifact %s: %w", e.Name(), err)
		}
	}
	return nil
}
