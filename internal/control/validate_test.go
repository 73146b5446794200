package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/route"
	"rouse.dev/rouse/internal/secret"
	"rouse.dev/rouse/internal/store"
)

// samples are objects as control stores them.
func samples(tb testing.TB) []store.Object {
	tb.Helper()
	spec := fn.Spec{Runtime: "python", Policy: fn.Default(), Env: map[string]string{"A": "b"}}
	made := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	keys, err := secret.Open(tb.TempDir(), false)
	if err != nil {
		tb.Fatal(err)
	}
	sealed, err := keys.Seal("default/db.key", []byte("hunter2"))
	if err != nil {
		tb.Fatal(err)
	}
	var out []store.Object
	for key, v := range map[store.Key]any{
		namespaceKey("default"): fn.Namespace{Name: "default", Labels: map[string]string{"a": "b"}, Created: made},
		functionKey(alpha): fn.Function{
			Ref: alpha, Spec: spec, Latest: 2, Replicas: new(1), Created: made, Updated: made,
			Traffic: []fn.Target{{Revision: 2, Weight: 100}, {Revision: 1, Tag: "old"}},
		},
		secretKey("default", "db.key"): sealedSecret{
			Secret: fn.Secret{Namespace: "default", Name: "db.key", Created: made, Updated: made}, Sealed: sealed,
		},
		revisionKey(rev(alpha, 2)): fn.Revision{
			RevisionRef: rev(alpha, 2), Digest: "sha256:" + artifact("y"), Spec: spec, Created: made,
			Artifact: fn.Artifact{Digest: "sha256:" + artifact("x"), Program: fn.Program{Command: []string{"/bin/x"}, Listen: fn.ListenSocket}},
		},
	} {
		value, err := encode(v)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, store.Object{Key: key, Value: value})
	}
	return out
}

func TestValidateTakesWhatControlStores(t *testing.T) {
	for _, o := range samples(t) {
		if err := Validate(o); err != nil {
			t.Errorf("%s: %v", o.Key, err)
		}
		moved := o
		moved.Name += "0"
		mentions(t, Validate(moved), fn.Invalid, "key")
		moved = o
		moved.Kind = "things"
		mentions(t, Validate(moved), fn.Invalid, "things")
		moved = o
		moved.Value = []byte(`{"name":7}`)
		mentions(t, Validate(moved), fn.Invalid)
	}
}

// FuzzValidate makes sure that what Validate lets in can be loaded, and that
// what it refuses is the sender's mistake, never a crash.
func FuzzValidate(f *testing.F) {
	for _, o := range samples(f) {
		f.Add(o.Kind, o.Namespace, o.Name, o.Value)
	}
	f.Add("functions", "", "", []byte(`{"traffic":[{"revision":-1,"weight":100}],"replicas":-5}`))
	f.Add("revisions", "default/alpha", "00000001", []byte(`{"number":99999999999,"artifact":{"program":{"command":[]}}}`))
	f.Fuzz(func(t *testing.T, kind, namespace, name string, value []byte) {
		o := store.Object{Key: store.Key{Kind: kind, Namespace: namespace, Name: name}, Value: value}
		if err := Validate(o); err != nil {
			if !errors.Is(err, fn.Invalid) || err.Error() == "" {
				t.Fatalf("refused with %q, of kind %s", err, fn.KindOf(err))
			}
			return
		}
		if err := o.Key.Check(); err != nil {
			t.Fatalf("taken, but the store does not take its key: %v", err)
		}
		switch kind {
		case kindFunctions:
			v := again[fn.Function](t, o)
			table := route.New()
			table.Set(route.NewEntry(v.Ref, v.Spec.Limits.Timeout, v.Traffic))
			if table.Lookup([]byte(namespace), []byte(name)) == nil {
				t.Fatal("taken, but it cannot be routed to")
			}
			if floor(v) > v.Spec.Scale.Max {
				t.Fatalf("taken, with %d instances of %d", floor(v), v.Spec.Scale.Max)
			}
		case kindRevisions:
			v := again[fn.Revision](t, o)
			if _, err := (&Controller{}).launch(v); err != nil {
				t.Fatalf("taken, but it cannot be launched: %v", err)
			}
		case kindSecrets:
			again[sealedSecret](t, o)
		case kindNamespaces:
			again[fn.Namespace](t, o)
		default:
			t.Fatalf("took an object of kind %q", kind)
		}
	})
}

// again decodes o, and makes sure that what is stored next is taken, too.
func again[T any](t *testing.T, o store.Object) T {
	v, err := decode[T](o)
	if err != nil {
		t.Fatal(err)
	}
	once, err := encode(v)
	if err != nil {
		t.Fatal(err)
	}
	o.Value = once
	if err := Validate(o); err != nil {
		t.Fatalf("stored again it is refused: %v", err)
	}
	v, err = decode[T](o)
	if err != nil {
		t.Fatal(err)
	}
	if twice, err := json.Marshal(v); err != nil || !bytes.Equal(once, twice) {
		t.Fatalf("stored again it changes: %s, %s", once, twice)
	}
	return v
}
