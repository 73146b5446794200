package record

import (
	"encoding/binary"
	"maps"
	"slices"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// format is the first byte of every encoded value. Another one is refused.
const format = 1

// versionAt is where the eight bytes of the version stand.
const versionAt = 1

// AppendValue appends everything of o but its key: version, labels, value.
// Equal objects have equal bytes.
func AppendValue(b []byte, o store.Object) []byte {
	b = append(b, format)
	b = binary.BigEndian.AppendUint64(b, o.Version)
	b = binary.AppendUvarint(b, uint64(len(o.Labels)))
	for _, k := range slices.Sorted(maps.Keys(o.Labels)) {
		b = appendString(b, k)
		b = appendString(b, o.Labels[k])
	}
	return append(b, o.Value...)
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// SetVersion changes the version in bytes that AppendValue made.
func SetVersion(b []byte, version uint64) {
	binary.BigEndian.PutUint64(b[versionAt:], version)
}

// ParseVersion returns the version alone, or fn.Invalid.
func ParseVersion(b []byte) (uint64, error) {
	if len(b) < versionAt+8 || b[0] != format {
		return 0, fn.Errorf(fn.Invalid, "parsing a stored value of %d bytes: not a format this program knows", len(b))
	}
	return binary.BigEndian.Uint64(b[versionAt:]), nil
}

// ParseValue is the inverse of AppendValue, or fn.Invalid. The object keeps
// nothing of b; its Value is never nil, its Labels are nil if it has none.
func ParseValue(key store.Key, b []byte) (store.Object, error) {
	version, err := ParseVersion(b)
	if err != nil {
		return store.Object{}, err
	}
	labels, rest, ok := parseLabels(b[versionAt+8:])
	if !ok {
		return store.Object{}, fn.Errorf(fn.Invalid, "parsing the stored value of %s: its labels are damaged", key)
	}
	value := append(make([]byte, 0, len(rest)), rest...)
	return store.Object{Key: key, Version: version, Labels: labels, Value: value}, nil
}

// parseLabels accepts only what AppendValue writes: sorted, each name once.
func parseLabels(b []byte) (labels map[string]string, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	b = b[max(size, 0):]
	if size <= 0 || n > uint64(len(b)) { // a label has two bytes at least
		return nil, nil, false
	}
	if n == 0 {
		return nil, b, true
	}
	labels = make(map[string]string, min(n, 64))
	var last string
	for i := range n {
		var k, v string
		if k, b, ok = cutString(b); !ok || (i > 0 && k <= last) {
			return nil, nil, false
		}
		if v, b, ok = cutString(b); !ok {
			return nil, nil, false
		}
		labels[k], last = v, k
	}
	return labels, b, true
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, false
	}
	end := size + int(n)
	return string(b[size:end]), b[end:], true
}
