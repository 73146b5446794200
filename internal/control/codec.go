package control

import (
	"encoding/json"
	"fmt"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// Kinds of objects in the store.
const (
	kindNamespaces = "namespaces"
	kindFunctions  = "functions"
	kindImages     = "images"    // name: the reference in full
	kindRevisions  = "revisions" // namespace: the function's "namespace/name"; name: 8 digits, so that key order is number order
	kindSecrets    = "secrets"
)

// Kinds returns every kind of object there is in a store.
func Kinds() []string {
	return []string{kindNamespaces, kindFunctions, kindImages, kindRevisions, kindSecrets}
}

func namespaceKey(name string) store.Key {
	return store.Key{Kind: kindNamespaces, Name: name}
}

func functionKey(ref fn.Ref) store.Key {
	return store.Key{Kind: kindFunctions, Namespace: ref.Namespace, Name: ref.Name}
}

func imageKey(ref fn.ImageRef) store.Key {
	return store.Key{Kind: kindImages, Name: ref.String()}
}

func revisionKey(rev fn.RevisionRef) store.Key {
	return store.Key{Kind: kindRevisions, Namespace: rev.Ref.String(), Name: fmt.Sprintf("%08d", rev.Number)}
}

func secretKey(namespace, name string) store.Key {
	return store.Key{Kind: kindSecrets, Namespace: namespace, Name: name}
}

// encode is the one way an object becomes bytes.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %v", v, err)
	}
	return b, nil
}

func decode[T any](o store.Object) (T, error) {
	var v T
	if err := json.Unmarshal(o.Value, &v); err != nil {
		return v, fn.Errorf(fn.Internal, "decoding %s %s/%s: %v", o.Kind, o.Namespace, o.Name, err)
	}
	return v, nil
}

// Validate checks one stored object the way every other door does. Restore
// calls it for each object of a backup.
func Validate(o store.Object) error {
	switch o.Kind {
	case kindNamespaces:
		n, err := decode[fn.Namespace](o)
		if err != nil {
			return fn.Errorf(fn.Invalid, "%v", err)
		}
		return sameKey(o, namespaceKey(n.Name), fn.ValidateNamespace(n))
	case kindFunctions:
		f, err := decode[fn.Function](o)
		if err != nil {
			return fn.Errorf(fn.Invalid, "%v", err)
		}
		return sameKey(o, functionKey(f.Ref), ValidateFunction(f))
	case kindImages:
		img, err := decode[fn.Image](o)
		if err != nil {
			return fn.Errorf(fn.Invalid, "%v", err)
		}
		ref, err := fn.ParseImage(img.Reference)
		return sameKey(o, imageKey(ref), err, ValidateImage(img))
	case kindRevisions:
		r, err := decode[fn.Revision](o)
		if err != nil {
			return fn.Errorf(fn.Invalid, "%v", err)
		}
		return sameKey(o, revisionKey(r.RevisionRef), ValidateRevision(r))
	case kindSecrets:
		s, err := decode[sealedSecret](o)
		if err != nil {
			return fn.Errorf(fn.Invalid, "%v", err)
		}
		return sameKey(o, secretKey(s.Namespace, s.Name), validateSecret(s))
	}
	return fn.Errorf(fn.Invalid, "unknown kind of object %q", o.Kind)
}
