package storetest

import (
	"slices"
	"testing"

	"rouse.dev/rouse/internal/store"
)

func listCases() []testCase {
	return []testCase{
		{"List of nothing is empty at version zero", listNothing},
		{"List selects by kind, namespace, labels", listSelects},
		{"List is in key order", listOrder},
	}
}

func listNothing(t *testing.T, s store.Store) {
	if objects, v := list(t, s, store.Query{Kind: "things"}); len(objects) > 0 || v != 0 {
		t.Errorf("got %s at version %d", names(objects), v)
	}
}

func listSelects(t *testing.T, s store.Store) {
	at := func(kind, ns, name string, labels map[string]string) store.Change {
		return store.Change{Key: store.Key{Kind: kind, Namespace: ns, Name: name}, Labels: labels, Value: []byte("1")}
	}
	type m = map[string]string
	apply(t, s,
		at("things", "", "global", nil),
		at("things", "n1", "a", m{"app": "web", "tier": "front"}),
		at("things", "n1", "b", m{"app": "web"}),
		at("things", "n2", "a", m{"app": "db", "empty": ""}),
		at("things", "n1x", "a", nil),
		at("thing", "n1", "a", m{"app": "web"}),
		at("thingsx", "n1", "a", m{"app": "web"}))
	for _, c := range []struct {
		q    store.Query
		want string
	}{
		{store.Query{Kind: "things"}, "/global n1/a n1/b n1x/a n2/a"},
		{store.Query{Kind: "thing"}, "n1/a"},
		{store.Query{Kind: "things", Namespace: "n1"}, "n1/a n1/b"},
		{store.Query{Kind: "things", Namespace: "n"}, ""},
		{store.Query{Kind: "none"}, ""},
		{store.Query{Kind: "things", Labels: m{"app": "web"}}, "n1/a n1/b"},
		{store.Query{Kind: "things", Labels: m{"app": "web", "tier": "front"}}, "n1/a"},
		{store.Query{Kind: "things", Labels: m{"app": "we"}}, ""},
		{store.Query{Kind: "things", Labels: m{"empty": ""}}, "n2/a"},
		{store.Query{Kind: "things", Labels: m{"absent": ""}}, ""},
		{store.Query{Kind: "things", Namespace: "n2", Labels: m{"app": "web"}}, ""},
	} {
		objects, v := list(t, s, c.q)
		if got := names(objects); got != c.want || v != 7 {
			t.Errorf("%+v: got %q at version %d, want %q at 7", c.q, got, v, c.want)
		}
	}
}

func listOrder(t *testing.T, s store.Store) {
	var want []store.Key
	for _, ns := range []string{"b", "a", "", "a b", "aa", "ä"} {
		for _, name := range []string{"2", "10", "1", "", "~", "\xff"} {
			want = append(want, store.Key{Kind: "k", Namespace: ns, Name: name})
		}
	}
	for _, k := range want {
		apply(t, s, store.Change{Key: k, Value: []byte("1")})
	}
	slices.SortFunc(want, store.Key.Compare)
	objects, _ := list(t, s, store.Query{Kind: "k"})
	var got []store.Key
	for _, o := range objects {
		got = append(got, o.Key)
	}
	wantDiff(t, "order", want, got)
}
