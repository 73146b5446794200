package record_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/record"
)

func TestEncodedKeysSortLikeTheirParts(t *testing.T) {
	parts := []string{"", " ", "a", "a b", "aa", "b", "é", "\xff", "\xff\xff", "~"}
	var keys []store.Key
	for _, kind := range parts[1:] {
		for _, ns := range parts {
			for _, name := range parts {
				keys = append(keys, store.Key{Kind: kind, Namespace: ns, Name: name})
			}
		}
	}
	for _, a := range keys {
		for _, b := range keys {
			got := bytes.Compare(record.AppendKey(nil, a), record.AppendKey(nil, b))
			if want := a.Compare(b); got != want {
				t.Fatalf("%q, %q: encoded order %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestPrefixSelectsExactlyTheQuery(t *testing.T) {
	parts := []string{"", "a", "a!", "ab", "b", "\xff"}
	for _, q := range []store.Query{{Kind: "a"}, {Kind: "a", Namespace: "a"}, {Kind: "ab", Namespace: "a!"}} {
		prefix := record.AppendPrefix(nil, q)
		end := record.PrefixEnd(prefix)
		for _, kind := range parts[1:] {
			for _, ns := range parts {
				for _, name := range parts {
					k := store.Key{Kind: kind, Namespace: ns, Name: name}
					enc := record.AppendKey(nil, k)
					got := bytes.Compare(enc, prefix) >= 0 && bytes.Compare(enc, end) < 0
					if want := q.Matches(store.Object{Key: k}); got != want {
						t.Errorf("query %+v, key %q: in range %v, want %v", q, k, got, want)
					}
				}
			}
		}
	}
}

func sample() []store.Object {
	return []store.Object{
		{Key: store.Key{Kind: "a"}, Version: 1, Value: []byte{}},
		{Key: store.Key{Kind: "a", Namespace: "n", Name: "x"}, Version: math.MaxUint64, Labels: map[string]string{"": "", "k": "v"}, Value: []byte("{}")},
		{Key: store.Key{Kind: "b", Name: "y"}, Version: 7, Value: bytes.Repeat([]byte{0, 255}, 1000)},
	}
}

func encode(t testing.TB, objects []store.Object, version uint64) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := record.NewWriter(&buf)
	for _, o := range objects {
		if err := w.Write(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(version); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func decode(data []byte) (objects []store.Object, version uint64, err error) {
	r := record.NewReader(bytes.NewReader(data))
	for o, err := range r.Objects() {
		if err != nil {
			return objects, 0, err
		}
		objects = append(objects, o)
	}
	return objects, r.Version(), nil
}

func TestSnapshotRoundTrip(t *testing.T) {
	for n := range len(sample()) + 1 {
		want := slices.Clip(sample()[:n])
		got, version, err := decode(encode(t, want, 42))
		if err != nil || version != 42 {
			t.Fatalf("version %d, error %v", version, err)
		}
		if n > 0 {
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		}
	}
}

func TestSnapshotCutAnywhereIsRefused(t *testing.T) {
	data := encode(t, sample(), 42)
	for n := range data {
		if _, _, err := decode(data[:n]); fn.KindOf(err) != fn.Invalid {
			t.Fatalf("cut at %d of %d bytes: %v, want an invalid error", n, len(data), err)
		}
	}
	if _, _, err := decode(append(slices.Clone(data), 0)); fn.KindOf(err) != fn.Invalid {
		t.Errorf("a trailing byte: %v, want an invalid error", err)
	}
}

func TestSnapshotOutOfOrderIsRefused(t *testing.T) {
	objects := sample()
	slices.Reverse(objects)
	if _, _, err := decode(encode(t, objects, 1)); err == nil || !strings.Contains(err.Error(), "does not come after") {
		t.Errorf("got %v", err)
	}
	twice := []store.Object{sample()[0], sample()[0]}
	if _, _, err := decode(encode(t, twice, 1)); fn.KindOf(err) != fn.Invalid {
		t.Errorf("got %v", err)
	}
}

func TestSetVersionChangesNothingElse(t *testing.T) {
	o := sample()[1]
	b := record.AppendValue(nil, o)
	record.SetVersion(b, 9)
	o.Version = 9
	if d := cmp.Diff(record.AppendValue(nil, o), b); d != "" {
		t.Error(d)
	}
}
