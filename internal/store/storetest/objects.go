package storetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

func objectCases() []testCase {
	return []testCase{
		{"Get of nothing is not found", getNothing},
		{"what is put is got", putGet},
		{"returned objects belong to the caller", ownership},
		{"versions grow by every write", versionsGrow},
		{"IfVersion zero creates only", createOnly},
		{"IfVersion must be the version now", updateIfVersion},
		{"AnyVersion skips the check", anyVersion},
		{"a conflict names the key", conflictNamesKey},
		{"a batch is all or nothing", atomicBatch},
		{"delete removes", deleteRemoves},
		{"bad batches are refused whole", badBatches},
		{"weird keys stay apart", weirdKeys},
		{"the largest object fits", largest},
		{"an empty batch does nothing", emptyBatch},
	}
}

func getNothing(t *testing.T, s store.Store) {
	_, err := s.Get(t.Context(), key("a"))
	wantKind(t, err, fn.NotFound)
	if err != nil && !strings.Contains(err.Error(), "things ns/a") {
		t.Errorf("%v does not name the key", err)
	}
	_, err = s.Get(t.Context(), store.Key{Name: "no kind"})
	wantKind(t, err, fn.Invalid)
}

func putGet(t *testing.T, s store.Store) {
	v := apply(t, s,
		labelled("a", `{"x":1}`, "app", "web", "", "empty name"),
		put("b", ""), // empty is not nil: it is a value
		labelled("c", "\x00\xff binary"))
	want := []store.Object{
		{Key: key("a"), Version: v[0], Labels: map[string]string{"app": "web", "": "empty name"}, Value: []byte(`{"x":1}`)},
		{Key: key("b"), Version: v[1], Value: []byte{}},
		{Key: key("c"), Version: v[2], Value: []byte("\x00\xff binary")},
	}
	for _, w := range want {
		wantDiff(t, "Get", w, get(t, s, w.Key))
	}
	got, _ := list(t, s, store.Query{Kind: "things"})
	wantDiff(t, "List", want, got)
}

func ownership(t *testing.T, s store.Store) {
	c := labelled("a", "value", "app", "web")
	v := apply(t, s, c)
	want := store.Object{Key: key("a"), Version: v[0], Labels: map[string]string{"app": "web"}, Value: []byte("value")}
	spoil := func(labels map[string]string, value []byte) {
		labels["app"] = "spoilt"
		copy(value, "spoil")
	}
	spoil(c.Labels, c.Value) // what was passed in
	wantDiff(t, "after the change was spoilt", want, get(t, s, key("a")))
	for range 2 {
		o := get(t, s, key("a"))
		wantDiff(t, "Get", want, o)
		spoil(o.Labels, o.Value)
		objects, _ := list(t, s, store.Query{Kind: "things"})
		wantDiff(t, "List", []store.Object{want}, objects)
		spoil(objects[0].Labels, objects[0].Value)
		e := watch(t, s, store.Query{Kind: "things"}, 0).next()
		wantDiff(t, "Watch", store.Event{Object: want}, e)
		spoil(e.Labels, e.Value)
	}
}

func versionsGrow(t *testing.T, s store.Store) {
	last := uint64(0)
	for _, batch := range [][]store.Change{
		{put("a", "1"), put("b", "1")},
		{put("a", "1")}, // the same value is a write too
		{remove("b"), put("c", "1"), put("b2", "1")},
		{put("b", "back")},
	} {
		for _, v := range apply(t, s, batch...) {
			if v <= last {
				t.Fatalf("version %d after %d", v, last)
			}
			last = v
		}
		if _, now := list(t, s, store.Query{Kind: "things"}); now != last {
			t.Errorf("the store is at version %d, its last write got %d", now, last)
		}
	}
}

func createOnly(t *testing.T, s store.Store) {
	c := store.Change{Key: key("a"), Value: []byte("1")}
	apply(t, s, c)
	_, err := s.Apply(t.Context(), c)
	wantKind(t, err, fn.Conflict)
	apply(t, s, remove("a"))
	apply(t, s, c)
}

func updateIfVersion(t *testing.T, s store.Store) {
	c := store.Change{Key: key("a"), Value: []byte("1"), IfVersion: 1}
	_, err := s.Apply(t.Context(), c)
	wantKind(t, err, fn.Conflict) // there is none to update
	c.IfVersion = apply(t, s, put("a", "0"))[0]
	first := apply(t, s, c)[0]
	_, err = s.Apply(t.Context(), c) // its version is another one now
	wantKind(t, err, fn.Conflict)
	_, err = s.Apply(t.Context(), store.Change{Key: key("a"), IfVersion: c.IfVersion})
	wantKind(t, err, fn.Conflict) // deletes are checked as well
	if o := get(t, s, key("a")); o.Version != first || string(o.Value) != "1" {
		t.Errorf("got %q at version %d, want \"1\" at %d", o.Value, o.Version, first)
	}
	apply(t, s, store.Change{Key: key("a"), IfVersion: first})
	_, err = s.Get(t.Context(), key("a"))
	wantKind(t, err, fn.NotFound)
}

func anyVersion(t *testing.T, s store.Store) {
	apply(t, s, put("a", "1"))
	apply(t, s, put("a", "2"))
	if o := get(t, s, key("a")); string(o.Value) != "2" {
		t.Errorf("got %q", o.Value)
	}
	_, before := list(t, s, store.Query{Kind: "things"})
	for _, ifVersion := range []uint64{store.AnyVersion, 0} {
		v := apply(t, s, store.Change{Key: key("nothing"), IfVersion: ifVersion})
		if _, now := list(t, s, store.Query{Kind: "things"}); v[0] != 0 || now != before {
			t.Errorf("deleting nothing got version %d and moved the store from %d to %d", v[0], before, now)
		}
	}
}

func conflictNamesKey(t *testing.T, s store.Store) {
	apply(t, s, put("taken", "1"))
	_, err := s.Apply(t.Context(), put("free", "1"), store.Change{Key: key("taken"), Value: []byte("2")})
	wantKind(t, err, fn.Conflict)
	if err == nil || !strings.Contains(err.Error(), "things ns/taken") {
		t.Errorf("%v does not name the key", err)
	}
}

func atomicBatch(t *testing.T, s store.Store) {
	v := apply(t, s, put("a", "1"), put("b", "1"))
	_, before := list(t, s, store.Query{Kind: "things"})
	w := watch(t, s, store.Query{Kind: "things"}, before)
	_, err := s.Apply(t.Context(),
		store.Change{Key: key("a"), Value: []byte("2"), IfVersion: v[0]},
		store.Change{Key: key("new"), Value: []byte("2")},
		remove("b"),
		store.Change{Key: key("c"), Value: []byte("2"), IfVersion: 1000})
	wantKind(t, err, fn.Conflict)
	objects, after := list(t, s, store.Query{Kind: "things"})
	if names(objects) != "ns/a ns/b" || string(objects[0].Value) != "1" || after != before {
		t.Errorf("a failed batch left %s, version %d after %d", names(objects), after, before)
	}
	got := apply(t, s, put("d", "later"))
	w.want(got[0], "put d=later") // and no event of the failed batch
}

func deleteRemoves(t *testing.T, s store.Store) {
	apply(t, s, put("a", "1"), put("b", "1"))
	v := apply(t, s, remove("a"))
	if v[0] == 0 {
		t.Error("a deletion has no version")
	}
	_, err := s.Get(t.Context(), key("a"))
	wantKind(t, err, fn.NotFound)
	objects, _ := list(t, s, store.Query{Kind: "things"})
	if names(objects) != "ns/b" {
		t.Errorf("left: %s", names(objects))
	}
}

func badBatches(t *testing.T, s store.Store) {
	good := put("good", "1")
	bad := func(k store.Key) store.Change {
		return store.Change{Key: k, Value: []byte("1"), IfVersion: store.AnyVersion}
	}
	big := put("big", strings.Repeat("x", store.MaxObject+1))
	half := strings.Repeat("x", store.MaxObject)
	for _, c := range []struct {
		what  string
		kind  fn.Kind
		batch []store.Change
	}{
		{"no kind", fn.Invalid, []store.Change{good, bad(store.Key{Name: "x"})}},
		{"control byte", fn.Invalid, []store.Change{good, bad(store.Key{Kind: "k", Namespace: "a\x1fb"})}},
		{"zero byte", fn.Invalid, []store.Change{good, bad(store.Key{Kind: "k", Name: "a\x00b"})}},
		{"twice the same", fn.Invalid, []store.Change{good, good}},
		{"long key", fn.TooLarge, []store.Change{good, bad(store.Key{Kind: "k", Name: strings.Repeat("n", store.MaxKey)})}},
		{"big object", fn.TooLarge, []store.Change{good, big}},
		{"big batch", fn.TooLarge, []store.Change{good, put("1", half), put("2", half), put("3", half), put("4", half)}},
	} {
		_, err := s.Apply(t.Context(), c.batch...)
		if !errors.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %s", c.what, err, c.kind)
		}
	}
	if objects, v := list(t, s, store.Query{Kind: "things"}); len(objects) > 0 || v != 0 {
		t.Errorf("left %s at version %d", names(objects), v)
	}
	_, _, err := s.List(t.Context(), store.Query{})
	wantKind(t, err, fn.Invalid)
}

func weirdKeys(t *testing.T, s store.Store) {
	parts := []string{"", " ", "/", "a", "a/", "a/b", "aa", "ä", "\x7f", "\xff\xfe", "..", `"`, strings.Repeat("l", 300)}
	var batch []store.Change
	for _, kind := range parts[1:] {
		for _, ns := range parts {
			for _, name := range parts {
				k := store.Key{Kind: kind, Namespace: ns, Name: name}
				batch = append(batch, store.Change{Key: k, Value: []byte(k.Kind + "|" + k.Namespace + "|" + k.Name)})
			}
		}
	}
	apply(t, s, batch...)
	for _, c := range batch {
		if o := get(t, s, c.Key); o.Key != c.Key || !bytes.Equal(o.Value, c.Value) {
			t.Fatalf("%q got %q", c.Key, o.Value)
		}
	}
	for _, kind := range parts[1:] {
		objects, _ := list(t, s, store.Query{Kind: kind})
		if want := len(parts) * len(parts); len(objects) != want {
			t.Errorf("kind %q has %d objects, want %d", kind, len(objects), want)
		}
	}
}

func largest(t *testing.T, s store.Store) {
	value := strings.Repeat("0123456789abcdef", store.MaxObject/16)
	apply(t, s, put("a", value), put("b", value), put("c", value))
	for _, name := range []string{"a", "b", "c"} {
		if o := get(t, s, key(name)); string(o.Value) != value {
			t.Errorf("%s came back different, with %d bytes", name, len(o.Value))
		}
	}
}

func emptyBatch(t *testing.T, s store.Store) {
	if got := apply(t, s); len(got) != 0 {
		t.Errorf("got versions %v", got)
	}
}
