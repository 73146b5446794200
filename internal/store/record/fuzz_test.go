package record_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/store"
	"rouse.dev/rouse/internal/store/record"
)

func FuzzKey(f *testing.F) {
	f.Add("functions", "default", "hello", "functions", "", "hello")
	f.Add("a", "", "", "a", "\x1f", "\xff")
	f.Fuzz(func(t *testing.T, kind, ns, name, kind2, ns2, name2 string) {
		a := store.Key{Kind: kind, Namespace: ns, Name: name}
		b := store.Key{Kind: kind2, Namespace: ns2, Name: name2}
		enc := record.AppendKey(nil, a)
		got, err := record.ParseKey(enc)
		if a.Check() != nil {
			if err == nil && got.Check() != nil {
				t.Fatalf("parsed an invalid key %q", got)
			}
			return
		}
		if err != nil || got != a {
			t.Fatalf("round trip of %q: %q, %v", a, got, err)
		}
		if b.Check() == nil {
			if order := bytes.Compare(enc, record.AppendKey(nil, b)); order != a.Compare(b) {
				t.Fatalf("%q, %q: encoded order %d, want %d", a, b, order, a.Compare(b))
			}
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte("functions\x00default\x00hello"))
	f.Add([]byte("\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := record.ParseKey(b)
		if err == nil && !bytes.Equal(record.AppendKey(nil, k), b) {
			t.Fatalf("%q parsed to %q, which encodes differently", b, k)
		}
	})
}

func FuzzParseValue(f *testing.F) {
	for _, o := range sample() {
		f.Add(record.AppendValue(nil, o))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := record.ParseValue(store.Key{Kind: "k"}, b)
		if err != nil {
			return
		}
		again, err := record.ParseValue(o.Key, record.AppendValue(nil, o))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(o, again); d != "" {
			t.Fatal(d)
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	f.Add(encode(f, sample(), 42))
	f.Add(encode(f, nil, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		objects, version, err := decode(b)
		if err != nil {
			return
		}
		got, v, err := decode(encode(t, objects, version))
		if err != nil || v != version {
			t.Fatalf("version %d, want %d, error %v", v, version, err)
		}
		if d := cmp.Diff(objects, got); d != "" {
			t.Fatal(d)
		}
	})
}
