package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

func watchCases() []testCase {
	return []testCase{
		{"Watch yields changes after its version in order", watchOrder},
		{"Watch waits for changes to come", watchWaits},
		{"Watch from a list misses nothing", watchFromList},
		{"Watch selects by kind, namespace, labels", watchSelects},
		{"leaving the selection is a deletion", watchLeaves},
		{"Watch from too old a version is exhausted", watchTooOld},
		{"Watch from a version never given is exhausted", watchFuture},
		{"a slow watch never blocks writers", watchSlow},
		{"Watch yields the cause when ctx ends", watchCause},
		{"Watch of an invalid query fails", watchInvalid},
		{"Watch stops when its consumer does", watchStops},
	}
}

var things = store.Query{Kind: "things"}

func watchOrder(t *testing.T, s store.Store) {
	v1 := apply(t, s, put("a", "1"), put("b", "1"))
	v2 := apply(t, s, put("a", "2"), remove("b"), remove("nothing"), put("c", "1"))
	w := watch(t, s, things, 0)
	w.want(v1[0], "put a=1")
	w.want(v1[1], "put b=1")
	w.want(v2[0], "put a=2")
	w.want(v2[1], "gone b=1")
	w.want(v2[3], "put c=1")
	w = watch(t, s, things, v2[0]) // in the midst of a batch
	w.want(v2[1], "gone b=1")
	w.want(v2[3], "put c=1")
	v3 := apply(t, s, labelled("d", "1", "app", "web"))
	w.want(v3[0], "put d=1")
	apply(t, s, remove("d"))
	wantDiff(t, "labels of a deletion", map[string]string{"app": "web"}, w.next().Labels)
}

func watchWaits(t *testing.T, s store.Store) {
	const n = 100
	got := make(chan store.Event)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range s.Watch(ctx, things, 0) {
			if err == nil {
				got <- e
			}
		}
	}()
	for i := range n { // each is written when the one before has arrived
		v := apply(t, s, put("a", fmt.Sprint(i)))
		if e := <-got; e.Version != v[0] || string(e.Value) != fmt.Sprint(i) {
			t.Errorf("write %d: got %q at version %d, want version %d", i, e.Value, e.Version, v[0])
		}
	}
	stop()
	<-done
}

func watchFromList(t *testing.T, s store.Store) {
	apply(t, s, put("a", "1"), put("b", "1"), put("c", "1"))
	apply(t, s, remove("b"))
	_, from := list(t, s, things)
	w := watch(t, s, things, from)
	v := apply(t, s, put("d", "1"))
	w.want(v[0], "put d=1")
}

func watchSelects(t *testing.T, s store.Store) {
	other := put("x", "1")
	other.Kind = "other"
	elsewhere := labelled("x", "1", "app", "web")
	elsewhere.Namespace = "ns2"
	apply(t, s, other, elsewhere, put("unlabelled", "1"), labelled("db", "1", "app", "db"))
	v := apply(t, s, labelled("web", "1", "app", "web", "tier", "front"))
	w := watch(t, s, store.Query{Kind: "things", Namespace: "ns", Labels: map[string]string{"app": "web"}}, 0)
	w.want(v[0], "put web=1")
	apply(t, s, remove("db"))
	v = apply(t, s, remove("web"))
	w.want(v[0], "gone web=1")
}

func watchLeaves(t *testing.T, s store.Store) {
	web := store.Query{Kind: "things", Labels: map[string]string{"app": "web"}}
	apply(t, s, labelled("a", "1", "app", "web"))
	_, from := list(t, s, things)
	v := apply(t, s, labelled("a", "2", "app", "db"))
	apply(t, s, labelled("a", "3", "app", "db", "x", "y")) // changes outside the selection
	apply(t, s, remove("a"))
	end := apply(t, s, labelled("b", "1", "app", "web"))
	w := watch(t, s, web, from)
	e := w.next()
	wantDiff(t, "event", store.Event{
		Object:  store.Object{Key: key("a"), Version: v[0], Labels: map[string]string{"app": "web"}, Value: []byte("1")},
		Deleted: true,
	}, e)
	w.want(end[0], "put b=1")
}

// overflow writes until a watch from version from has lost something.
func overflow(t *testing.T, s store.Store, from uint64) {
	t.Helper()
	value := strings.Repeat("x", 1000)
	for range 1000 {
		batch := make([]store.Change, 500)
		for i := range batch {
			batch[i] = put(fmt.Sprint("overflow-", i), value)
		}
		apply(t, s, batch...)
		for _, err := range s.Watch(t.Context(), things, from) {
			if errors.Is(err, fn.Exhausted) {
				return
			}
			break
		}
	}
	t.Fatal("half a million changes are remembered: the memory of a watch is not bounded")
}

func watchTooOld(t *testing.T, s store.Store) {
	from := apply(t, s, put("a", "1"))[0]
	overflow(t, s, from)
	w := watch(t, s, things, from)
	_, err, _ := w.pull()
	wantKind(t, err, fn.Exhausted)
	if fn.Hint(err) == "" {
		t.Error("the error has no hint")
	}
	_, now := list(t, s, things) // which is what the error says to do
	v := apply(t, s, put("b", "1"))
	watch(t, s, things, now).want(v[0], "put b=1")
}

func watchFuture(t *testing.T, s store.Store) {
	v := apply(t, s, put("a", "1"))
	watch(t, s, things, v[0]+1).fails(fn.Exhausted)
}

func watchSlow(t *testing.T, s store.Store) {
	v := apply(t, s, put("a", "1"))
	w := watch(t, s, things, 0)
	w.want(v[0], "put a=1") // and now the consumer does nothing
	overflow(t, s, v[0])
	for last := v[0]; ; {
		e, err, ok := w.pull()
		if errors.Is(err, fn.Exhausted) {
			return
		}
		if !ok || err != nil || e.Version <= last {
			t.Fatalf("version %d after %d, error %v, going on %v", e.Version, last, err, ok)
		}
		last = e.Version
	}
}

func watchCause(t *testing.T, s store.Store) {
	gone := errors.New("client left")
	v := apply(t, s, put("a", "1"), put("b", "1"))
	ctx, cancel := context.WithCancelCause(t.Context())
	w := watchIn(ctx, t, s, things, 0)
	w.want(v[0], "put a=1")
	cancel(gone)
	w.fails(gone)

	waiting, cancel := context.WithCancelCause(t.Context())
	result := make(chan error)
	go func() {
		var last error
		for _, err := range s.Watch(waiting, things, v[1]) {
			last = err
		}
		result <- last
	}()
	cancel(gone)
	if err := <-result; !errors.Is(err, gone) {
		t.Errorf("got %v, want the cause", err)
	}
}

func watchInvalid(t *testing.T, s store.Store) {
	watch(t, s, store.Query{}, 0).fails(fn.Invalid)
}

func watchStops(t *testing.T, s store.Store) {
	apply(t, s, put("a", "1"), put("b", "1"))
	n := 0
	for range s.Watch(t.Context(), things, 0) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("got %d events", n)
	}
}
