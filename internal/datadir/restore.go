package datadir

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/record"
)

// RestoreConfig says what Restore needs. Open and Validate are required; zero
// limits mean the default.
type RestoreConfig struct {
	// Open opens a new store in the folder path (store/pebble in the program).
	Open func(path string) (Loader, error)

	// Validate returns an error if the platform would not take the object: the
	// same validator as at every other door. It is called for all objects
	// before the first one is loaded.
	Validate func(store.Object) error

	MaxBytes   int64 // of all files unpacked, 64 GiB by default
	MaxMembers int   // files, folders and links, 4,000,000 by default
}

// Loader is a new store that can be filled.
type Loader interface {
	store.Loader
	io.Closer
}

func (c RestoreConfig) withDefaults() RestoreConfig {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 30
	}
	if c.MaxMembers <= 0 {
		c.MaxMembers = 4_000_000
	}
	return c
}

// Restore makes a data folder at path, which must not exist or be empty, from
// what Backup wrote. It is all or nothing: the folder is built beside path, with
// a name that begins with a dot, and renamed when everything was checked. On an
// error nothing is left behind.
//
// A backup that is damaged, cut short or unsafe to unpack is fn.Invalid, one
// over the limits fn.TooLarge, a folder that is in use fn.Conflict.
func Restore(ctx context.Context, r io.Reader, path string, c RestoreConfig) error {
	if c.Open == nil || c.Validate == nil {
		return fn.Errorf(fn.Internal, "restoring: the configuration has no Open or no Validate")
	}
	if err := restore(ctx, r, path, c.withDefaults(), migrations()); err != nil {
		return fmt.Errorf("restoring into %s: %w", path, err)
	}
	return nil
}

func restore(ctx context.Context, r io.Reader, path string, c RestoreConfig, table []migration) (err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fn.Errorf(fn.Invalid, "%w", err)
	}
	if err := checkFree(abs); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(abs), "."+filepath.Base(abs)+".restore-*") // mode 0700
	if err != nil {
		return fn.WithHint(fn.Errorf(fn.Invalid, "%w", err), "make the folder %s first, writable for this user", filepath.Dir(abs))
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	root, err := os.OpenRoot(temp)
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	defer root.Close()
	b := &builder{conf: c, root: root, path: temp}
	if err := b.build(ctx, r, table); err != nil {
		return err
	}
	// The plain system call: os.Rename refuses to replace even an empty folder.
	if err := unix.Rename(temp, abs); err != nil {
		return fn.WithHint(fn.Errorf(fn.Conflict, "%w", err), "restore into a folder that is empty, not a mount point, and not in use")
	}
	return syncPath(filepath.Dir(abs))
}

// checkFree refuses folders that hold something.
func checkFree(abs string) error {
	entries, err := os.ReadDir(abs)
	switch {
	case errors.Is(err, os.ErrNotExist) || (err == nil && len(entries) == 0):
		return nil
	case err != nil:
		return fn.Errorf(fn.Invalid, "%w", err)
	}
	return fn.WithHint(fn.Errorf(fn.Conflict, "it is not empty, it holds %s", entries[0].Name()), "name a folder that is empty or does not exist")
}

func randomName() string { return strings.ToLower(rand.Text()) }

// builder builds one data folder from a backup. It is for one goroutine.
type builder struct {
	conf RestoreConfig
	root *os.Root
	path string // of root

	version uint64 // the store's, known after validate
}

func (b *builder) build(ctx context.Context, r io.Reader, table []migration) error {
	version, err := b.unpack(ctx, r)
	if err != nil {
		return err
	}
	if err := checkFormat("the backup", version, table); err != nil {
		return err
	}
	if err := b.validate(ctx); err != nil {
		return err
	}
	if err := b.load(ctx); err != nil {
		return err
	}
	if err := b.root.Remove(memberObjects); err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	if err := writeFormat(b.root, version); err != nil {
		return err
	}
	if err := migrate(b.root, b.path, table); err != nil {
		return err
	}
	if err := makeSubfolders(b.root); err != nil {
		return err
	}
	return b.sync()
}

// unpack reads the archive to its end and returns the format it says.
func (b *builder) unpack(ctx context.Context, r io.Reader) (version int, err error) {
	seal := newSealReader(until(ctx, r))
	packed, err := zstd.NewReader(seal, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return 0, damaged(err)
	}
	defer packed.Close()
	u := &unpacker{root: b.root, maxBytes: b.conf.MaxBytes, maxMembers: b.conf.MaxMembers}
	if err := u.run(tar.NewReader(packed)); err != nil {
		if seal.err != nil && !errors.Is(seal.err, io.EOF) {
			err = seal.err // the cause: what came before it is only what a cut archive looks like
		}
		return 0, err
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(packed, 1)); n > 0 || err != nil {
		return 0, damaged(errors.Join(fn.Errorf(fn.Invalid, "it goes on after its end"), err))
	}
	// The decoder may have stopped at the frame's end: only the seal's is the end.
	if _, err := seal.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return 0, damaged(errors.Join(fn.Errorf(fn.Invalid, "it goes on after its end"), err))
	}
	return u.format, nil
}

// damaged gives an error of a decoder its kind. Errors that have one keep it.
func damaged(err error) error {
	if _, ok := errors.AsType[fn.Kind](err); ok {
		return err
	}
	return fn.Errorf(fn.Invalid, "the backup is damaged or cut short: %w", err)
}

// objects reads the unpacked snapshot.
func (b *builder) objects(ctx context.Context, read func(*record.Reader) error) error {
	f, err := b.root.Open(memberObjects)
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	defer f.Close()
	return read(record.NewReader(until(ctx, f)))
}

// maxMistakes is how many invalid objects an error names.
const maxMistakes = 20

func (b *builder) validate(ctx context.Context) error {
	return b.objects(ctx, func(r *record.Reader) error {
		var errs []error
		wrong := 0
		for o, err := range r.Objects() {
			if err != nil {
				return err
			}
			if err := b.conf.Validate(o); err != nil {
				if wrong++; wrong <= maxMistakes {
					errs = append(errs, fmt.Errorf("%s: %w", o.Key, err))
				}
			}
		}
		if b.version = r.Version(); wrong == 0 {
			return nil
		}
		return fn.Errorf(fn.Invalid, "the backup holds %d objects that this version of rouse refuses: %w", wrong, errors.Join(errs...))
	})
}

func (b *builder) load(ctx context.Context) error {
	return b.objects(ctx, func(r *record.Reader) error {
		if err := b.root.Mkdir(storeDir, 0o700); err != nil {
			return fn.Errorf(fn.Internal, "%w", err)
		}
		s, err := b.conf.Open(filepath.Join(b.path, storeDir))
		if err != nil {
			return err
		}
		return errors.Join(s.Load(ctx, b.version, r.Objects()), s.Close())
	})
}

// sync makes everything durable at once: a file at a time would take minutes
// for artifacts with many.
func (b *builder) sync() error {
	f, err := b.root.Open(".")
	if err != nil {
		return fn.Errorf(fn.Internal, "%w", err)
	}
	if err := errors.Join(unix.Syncfs(int(f.Fd())), f.Close()); err != nil {
		return fn.Errorf(fn.Internal, "making the restored folder durable: %w", err)
	}
	return nil
}
