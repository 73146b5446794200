package pebble_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
)

// slowDisk holds syncs of the write-ahead log while hold is set.
type slowDisk struct {
	hold    atomic.Bool
	release chan struct{}
}

func (d *slowDisk) String() string { return "slow disk" }

func (d *slowDisk) MaybeError(op errorfs.Op) error {
	sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
	if sync && strings.HasSuffix(op.Path, ".log") && d.hold.Load() {
		<-d.release
	}
	return nil
}

// TestNothingIsToldBeforeItIsOnDisk holds the disk's sync and checks that no call
// that would tell of the write returns, while calls about other things do.
func TestNothingIsToldBeforeItIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{release: make(chan struct{})}
		s := open(t, "data", pebble.Config{FS: errorfs.Wrap(vfs.NewMem(), disk), Ballast: -1})
		old, young := pair(0)[0], pair(1)[0]
		if _, err := s.Apply(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		disk.hold.Store(true)

		told := make(map[string]*atomic.Bool)
		call := func(what string, f func() error) {
			done := &atomic.Bool{}
			told[what] = done
			go func() {
				if err := f(); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				done.Store(true)
			}()
			synctest.Wait()
		}
		call("the write itself", func() error { _, err := s.Apply(ctx, young); return err })
		call("Get", func() error { _, err := s.Get(ctx, young.Key); return err })
		call("List", func() error { _, _, err := s.List(ctx, pairs); return err })
		call("Snapshot", func() error { return s.Snapshot(ctx, &bytes.Buffer{}) })
		call("Watch", func() error {
			for _, err := range s.Watch(ctx, pairs, 1) {
				return err
			}
			return nil
		})
		call("a conflict", func() error {
			if _, err := s.Apply(ctx, young); !errors.Is(err, fn.Conflict) {
				return fmt.Errorf("got %w, want a conflict", err)
			}
			return nil
		})
		call("a delete of nothing", func() error {
			_, err := s.Apply(ctx, store.Change{Key: pair(2)[0].Key, IfVersion: store.AnyVersion})
			return err
		})
		call("a later write", func() error { _, err := s.Apply(ctx, pair(3)...); return err })
		for what, done := range told {
			if done.Load() {
				t.Errorf("%s returned before the disk had the write", what)
			}
		}
		if _, err := s.Get(ctx, old.Key); err != nil { // this one need not wait
			t.Errorf("getting another object meanwhile: %v", err)
		}
		impatient, leave := context.WithCancelCause(ctx)
		gone := errors.New("client left")
		call("a reader that leaves", func() error {
			if _, err := s.Get(impatient, young.Key); !errors.Is(err, gone) {
				return fmt.Errorf("got %w, want the cause", err)
			}
			return nil
		})
		leave(gone)
		synctest.Wait()
		if !told["a reader that leaves"].Load() {
			t.Error("a reader that has left still waits for the disk")
		}

		disk.hold.Store(false)
		close(disk.release)
		synctest.Wait()
		for what, done := range told {
			if !done.Load() {
				t.Errorf("%s did not return when the disk had the write", what)
			}
		}
	})
}
