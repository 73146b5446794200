package record

import (
	"bytes"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// separator stands between the parts of a key. It is below every byte that a
// part may have, so that encoded keys sort like their parts.
const separator = 0x00

// AppendKey appends the encoded form of k, which must pass k.Check.
func AppendKey(b []byte, k store.Key) []byte {
	b = append(b, k.Kind...)
	b = append(b, separator)
	b = append(b, k.Namespace...)
	b = append(b, separator)
	return append(b, k.Name...)
}

// AppendPrefix appends what the encoded keys of a query's kind and namespace
// (if it has one) begin with, and no other key does.
func AppendPrefix(b []byte, q store.Query) []byte {
	b = append(b, q.Kind...)
	b = append(b, separator)
	if q.Namespace != "" {
		b = append(b, q.Namespace...)
		b = append(b, separator)
	}
	return b
}

// PrefixEnd returns the smallest bytes above all that begin with prefix, which
// must not be empty or end in 0xff (one from AppendPrefix does not).
func PrefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	end[len(end)-1]++
	return end
}

// ParseKey is the inverse of AppendKey, or fn.Invalid.
func ParseKey(b []byte) (store.Key, error) {
	kind, rest, ok := bytes.Cut(b, []byte{separator})
	namespace, name, ok2 := bytes.Cut(rest, []byte{separator})
	if !ok || !ok2 {
		return store.Key{}, fn.Errorf(fn.Invalid, "parsing key %.80q: it does not have three parts", b)
	}
	k := store.Key{Kind: string(kind), Namespace: string(namespace), Name: string(name)}
	if err := k.Check(); err != nil {
		return store.Key{}, fn.Errorf(fn.Invalid, "parsing key: %w", err)
	}
	return k, nil
}
