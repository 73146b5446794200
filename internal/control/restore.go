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
	if err := errors.Join(checkWhole(u), c.checkOpens(u.Objects)); err != nil {
		return BackupInfo{}, err
	}
	if err := c.gate.alone(ctx); err != nil {
		return BackupInfo{}, err
	}
	defer c.gate.leave()
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
	if err := c.applyAll(ctx, merged(changes)); err != nil {
		return BackupInfo{}, err
	}
	info := BackupInfo{
		Bytes: u.Bytes, Namespaces: count(u.Objects, kindNamespaces),
		Functions: count(u.Objects, kindFunctions), Revisions: count(u.Objects, kindRevisions),
		Secrets: count(u.Objects, kindSecrets),
	}
	return info, c.follow(context.WithoutCancel(ctx), old) // stored: what runs must follow
}

// follow brings routes and pool in line with a restored store. old is what was
// there before. There is no moment at which a function that was and is there
// has no route.
func (c *Controller) follow(ctx context.Context, old []store.Object) error {
	functions, err := c.loadRoutes(ctx)
	if err != nil {
		return err
	}
	present := make(map[fn.Ref]bool, len(functions))
	for _, f := range functions {
		present[f.Ref] = true
	}
	for _, o := range old {
		switch o.Kind {
		case kindFunctions:
			f, errOld := decode[fn.Function](o)
			if errOld != nil {
				continue // nothing that runs came from it
			}
			c.burn(f)
			if !present[f.Ref] {
				c.cfg.Routes.Delete(f.Ref)
				err = errors.Join(err, c.forget(f.Ref))
			}
		case kindRevisions: // that number may be another revision now
			if r, errOld := decode[fn.Revision](o); errOld == nil {
				c.cfg.Pool.Forget(r.RevisionRef)
			}
		}
	}
	for _, s := range c.cfg.Pool.Stats(fn.Ref{}) { // of functions removed before, or pruned
		c.cfg.Pool.Forget(s.Revision)
	}
	for _, f := range functions {
		c.pin(ctx, f)
	}
	return err
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
	if err := syncFolder(c.cfg.Artifacts); err != nil { // before a revision names them
		return fn.Errorf(fn.Internal, "restoring artifacts: %w", err)
	}
	return nil
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// checkWhole makes sure that what the objects of a backup name is in it. Each
// object has been checked by itself.
func checkWhole(u Unpacked) error {
	in := make(map[store.Key]bool, len(u.Objects))
	for _, o := range u.Objects {
		in[o.Key] = true
	}
	var errs []error
	missing := func(o store.Object, what string) {
		errs = append(errs, fn.Errorf(fn.Invalid, "%s names %s, which the backup does not have", o.Key, what))
	}
	for _, o := range u.Objects {
		switch o.Kind {
		case kindFunctions:
			f, err := decode[fn.Function](o)
			errs = append(errs, err)
			if !in[namespaceKey(f.Namespace)] {
				missing(o, "namespace "+f.Namespace)
			}
			for _, t := range f.Traffic {
				if key := revisionKey(fn.RevisionRef{Ref: f.Ref, Number: t.Revision}); !in[key] {
					missing(o, key.String())
				}
			}
		case kindSecrets: // one that a function names may be missing: it may have been removed
			if !in[namespaceKey(o.Namespace)] {
				missing(o, "namespace "+o.Namespace)
			}
		case kindRevisions:
			r, err := decode[fn.Revision](o)
			errs = append(errs, err)
			if key := functionKey(r.Ref); !in[key] {
				missing(o, key.String())
			}
			if !isDir(filepath.Join(u.Artifacts, artifactName(r.Artifact.Digest))) {
				missing(o, "artifact "+r.Artifact.Digest)
			}
		case kindImages:
			img, err := decode[fn.Image](o)
			if errs = append(errs, err); !isDir(filepath.Join(u.Artifacts, treeOf(img))) {
				missing(o, "artifact "+treeOf(img))
			}
		}
	}
	return errors.Join(errs...)
}
