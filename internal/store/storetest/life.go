package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/record"
)

func lifeCases() []testCase {
	return []testCase{
		{"an ended ctx returns its cause", endedContext},
		{"a closed store is unavailable", closedStore},
		{"Close ends watches", closeEndsWatches},
		{"Close waits for running calls", closeWaits},
	}
}

func endedContext(t *testing.T, s store.Store) {
	gone := errors.New("client left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	calls(ctx, s, func(what string, err error) {
		if !errors.Is(err, gone) {
			t.Errorf("%s: got %v, want the cause", what, err)
		}
	})
	if objects, v := list(t, s, things); len(objects) > 0 || v != 0 {
		t.Errorf("left %s at version %d", names(objects), v)
	}
}

// calls makes one call of each method but Close.
func calls(ctx context.Context, s store.Store, check func(what string, err error)) {
	_, err := s.Get(ctx, key("a"))
	check("Get", err)
	_, _, err = s.List(ctx, things)
	check("List", err)
	_, err = s.Apply(ctx, put("a", "1"))
	check("Apply", err)
	for _, err := range s.Watch(ctx, things, 0) {
		check("Watch", err)
		break
	}
	if snap, ok := s.(store.Snapshotter); ok {
		check("Snapshot", snap.Snapshot(ctx, io.Discard))
	}
}

func closedStore(t *testing.T, s store.Store) {
	apply(t, s, put("a", "1"))
	for range 2 { // closing twice is allowed
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	calls(t.Context(), s, func(what string, err error) {
		if !errors.Is(err, fn.Unavailable) {
			t.Errorf("%s: got %v, want unavailable", what, err)
		}
	})
}

func closeEndsWatches(t *testing.T, s store.Store) {
	result := make(chan error)
	v := apply(t, s, put("a", "1"))
	for range 3 {
		go func() {
			var last error
			for _, err := range s.Watch(t.Context(), things, v[0]) {
				last = err
			}
			result <- last
		}()
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	for range 3 {
		if err := <-result; !errors.Is(err, fn.Unavailable) {
			t.Errorf("a watch ended with %v, want unavailable", err)
		}
	}
}

func closeWaits(t *testing.T, s store.Store) {
	started := make(chan struct{}, writers)
	results := make(chan error, writers)
	for i := range writers {
		go func() {
			var err error
			for n := 0; err == nil; n++ {
				_, err = s.Apply(t.Context(), put(fmt.Sprint(i), fmt.Sprint(n)))
				if err == nil {
					_, _, err = s.List(t.Context(), things)
				}
				if n == 0 {
					started <- struct{}{}
				}
			}
			results <- err
		}()
	}
	for range writers {
		<-started
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	for range writers {
		if err := <-results; !errors.Is(err, fn.Unavailable) {
			t.Errorf("a writer ended with %v, want unavailable", err)
		}
	}
}

func snapshotCases() []testCase {
	return []testCase{
		{"a snapshot is of one moment", snapshotMoment},
		{"Load brings back objects with their versions", loadSnapshot},
		{"Load refuses bad objects", loadRefuses},
	}
}

// snapshot reads back what the store writes, or skips if it writes none.
func snapshot(t *testing.T, s store.Store) ([]store.Object, uint64) {
	t.Helper()
	snap, ok := s.(store.Snapshotter)
	if !ok {
		t.Skip("the store is no store.Snapshotter")
	}
	var buf bytes.Buffer
	if err := snap.Snapshot(t.Context(), &buf); err != nil {
		t.Fatal(err)
	}
	r := record.NewReader(&buf)
	var objects []store.Object
	for o, err := range r.Objects() {
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	return objects, r.Version()
}

func snapshotMoment(t *testing.T, s store.Store) {
	if objects, v := snapshot(t, s); len(objects) > 0 || v != 0 {
		t.Errorf("an empty store has %s at version %d", names(objects), v)
	}
	each(func(i int) {
		for n := range 30 {
			if i == 0 {
				checkSnapshot(t, s)
				continue
			}
			value := fmt.Sprint(n)
			if _, err := s.Apply(t.Context(), put(fmt.Sprint("a", i), value), put(fmt.Sprint("b", i), value)); err != nil {
				t.Errorf("applying: %v", err)
			}
		}
	})
	got, v := snapshot(t, s)
	want, wantVersion := list(t, s, things)
	wantDiff(t, "snapshot", want, got)
	wantDiff(t, "version", wantVersion, v)
}

func checkSnapshot(t *testing.T, s store.Store) {
	objects, v := snapshot(t, s)
	values := make(map[string]string)
	for _, o := range objects {
		values[o.Name] = string(o.Value)
		if o.Version > v {
			t.Errorf("a snapshot of version %d holds an object of version %d", v, o.Version)
		}
	}
	for i := range writers {
		if a, b := values[fmt.Sprint("a", i)], values[fmt.Sprint("b", i)]; a != b {
			t.Errorf("half a batch is in the snapshot: %q and %q", a, b)
		}
	}
}

func loader(t *testing.T, s store.Store) store.Loader {
	l, ok := s.(store.Loader)
	if !ok {
		t.Skip("the store is no store.Loader")
	}
	return l
}

// sequence yields objects, then err if it is not nil.
func sequence(objects []store.Object, err error) func(func(store.Object, error) bool) {
	return func(yield func(store.Object, error) bool) {
		for _, o := range objects {
			if !yield(o, nil) {
				return
			}
		}
		if err != nil {
			yield(store.Object{}, err)
		}
	}
}

func loadSnapshot(t *testing.T, s store.Store) {
	l := loader(t, s)
	objects := []store.Object{
		{Key: key("a"), Version: 3, Labels: map[string]string{"app": "web"}, Value: []byte("1")},
		{Key: key("b"), Version: 90, Value: []byte{}},
		{Key: key("c"), Version: 17, Value: bytes.Repeat([]byte("x"), 3<<20)},
	}
	if err := l.Load(t.Context(), 100, sequence(objects, nil)); err != nil {
		t.Fatal(err)
	}
	got, v := list(t, s, things)
	wantDiff(t, "objects", objects, got)
	wantDiff(t, "version", uint64(100), v)
	next := apply(t, s, store.Change{Key: key("a"), Value: []byte("2"), IfVersion: 3})
	if next[0] <= 100 {
		t.Errorf("the next write has version %d, the snapshot was at 100", next[0])
	}
	watch(t, s, things, 50).fails(fn.Exhausted)
	watch(t, s, things, 100).want(next[0], "put a=2")
	wantKind(t, l.Load(t.Context(), 200, sequence(objects, nil)), fn.Conflict)
}

func loadRefuses(t *testing.T, s store.Store) {
	l := loader(t, s)
	good := store.Object{Key: key("a"), Version: 1, Value: []byte("1")}
	broken := errors.New("cut short")
	for _, c := range []struct {
		what string
		bad  store.Object
		err  error
		want error
	}{
		{what: "no kind", bad: store.Object{Version: 2}, want: fn.Invalid},
		{what: "no version", bad: store.Object{Key: key("b")}, want: fn.Invalid},
		{what: "version above the store's", bad: store.Object{Key: key("b"), Version: 11}, want: fn.Invalid},
		{what: "too large", bad: store.Object{Key: key("b"), Version: 2, Value: make([]byte, store.MaxObject+1)}, want: fn.TooLarge},
		{what: "an error of the sequence", bad: store.Object{Key: key("b"), Version: 2, Value: []byte{}}, err: broken, want: broken},
	} {
		err := l.Load(t.Context(), 10, sequence(slices.Concat([]store.Object{good}, []store.Object{c.bad}), c.err))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, err, c.want)
		}
	}
}
