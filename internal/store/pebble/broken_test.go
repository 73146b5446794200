package pebble_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/pebbledb/pebbledbtest"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/pebble"
)

func TestAFailedSyncAcknowledgesNothing(t *testing.T) {
	disk := vfs.NewCrashableMem()
	fault := pebbledbtest.BrokenSync()
	c := pebble.Config{FS: errorfs.Wrap(disk, fault), Ballast: -1}
	s, err := pebble.Open("data", c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), pair(0)...); err != nil {
		t.Fatal(err)
	}
	watching := make(chan error)
	go func() {
		var last error
		for _, err := range s.Watch(t.Context(), pairs, 2) {
			last = err
		}
		watching <- last
	}()
	fault.On()
	for n := range 3 {
		if _, err := s.Apply(t.Context(), pair(1+n)...); !errors.Is(err, fn.Unavailable) || fn.Hint(err) == "" {
			t.Errorf("write %d: %v; want unavailable with a hint", n, err)
		}
	}
	if err := <-watching; !errors.Is(err, fn.Unavailable) {
		t.Errorf("the watch ended with %v", err)
	}
	if _, err := s.Get(t.Context(), pair(0)[0].Key); err != nil {
		t.Errorf("reading what was acknowledged before: %v", err)
	}
	if _, err := s.Get(t.Context(), pair(1)[0].Key); !errors.Is(err, fn.Unavailable) {
		t.Errorf("reading what may never reach the disk: %v", err)
	}
	if err := s.Close(); err == nil {
		t.Error("closing says that all is well")
	}
	left := open(t, "data", pebble.Config{FS: disk.CrashClone(vfs.CrashCloneCfg{}), Ballast: -1})
	checkPairs(t, left, map[string]bool{"0": true})
}

func TestADamagedStoreSaysWhatToDo(t *testing.T) {
	disk := vfs.NewMem()
	s, err := pebble.Open("data", pebble.Config{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), pair(0)...); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	pebbledbtest.Damage(t, disk, "data")
	_, err = pebble.Open("data", pebble.Config{FS: disk})
	if !errors.Is(err, fn.Internal) || !strings.Contains(fn.Hint(err), "rouse restore") {
		t.Errorf("got %v, hint %q", err, fn.Hint(err))
	}
}

func TestVersionsGoOnAfterReopening(t *testing.T) {
	disk := vfs.NewMem()
	var last uint64
	for n := range 5 {
		s, err := pebble.Open("data", pebble.Config{FS: disk, Ballast: -1})
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range s.Watch(t.Context(), pairs, last+1) {
			if !errors.Is(err, fn.Exhausted) {
				t.Errorf("watching from the future: %v", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range s.Watch(ctx, pairs, last) { // where the last life ended
			if !errors.Is(err, context.Canceled) {
				t.Errorf("watching from the version now: %v", err)
			}
		}
		v, err := s.Apply(t.Context(), pair(n)...)
		if err != nil || v[0] != last+1 || v[1] != last+2 {
			t.Errorf("after version %d: versions %v, error %v", last, v, err)
		}
		// The newest write is a deletion: no object carries the version any more.
		v, err = s.Apply(t.Context(), store.Change{Key: pair(n)[0].Key, IfVersion: store.AnyVersion})
		if err != nil {
			t.Fatal(err)
		}
		last = v[0]
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
