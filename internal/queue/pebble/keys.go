package pebble

import (
	"encoding/binary"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
)

// The database's keys: one byte that says what follows. Names hold no zero
// byte, so a zero ends them and streams do not mix.
//
//	m STREAM 0 SEQ      → head and body, written once
//	r STREAM 0 SEQ      → record of a message that is not buried
//	x STREAM 0 SEQ      → record of one that is
//	w STREAM 0 DUE SEQ  → nothing: the messages that were not due when they came, by time
//	i ID 0 STREAM       → SEQ, of messages that have an ID
//	n                   → a number that no SEQ has exceeded
const (
	spaceMessage = 'm'
	spaceRecord  = 'r'
	spaceBuried  = 'x'
	spaceTimed   = 'w'
	spaceID      = 'i'
	spaceNumber  = 'n'
)

// seqKey is the key of a message in space m, r or x.
func seqKey(space byte, stream string, seq uint64) []byte {
	b := make([]byte, 0, len(stream)+10)
	b = append(append(append(b, space), stream...), 0)
	return binary.BigEndian.AppendUint64(b, seq)
}

func timedKey(stream string, e entry) []byte {
	b := make([]byte, 0, len(stream)+18)
	b = append(append(append(b, spaceTimed), stream...), 0)
	b = binary.BigEndian.AppendUint64(b, uint64(e.due))
	return binary.BigEndian.AppendUint64(b, e.seq)
}

func idKey(id, stream string) []byte {
	b := make([]byte, 0, len(id)+len(stream)+2)
	b = append(append(append(b, spaceID), id...), 0)
	return append(b, stream...)
}

func numberKey() []byte { return []byte{spaceNumber} }

// parseSeqKey is the inverse of seqKey. The stream shares its bytes with key.
func parseSeqKey(key []byte) (stream []byte, seq uint64, err error) {
	n := len(key) - 9
	if n < 1 || key[n] != 0 {
		return nil, 0, fn.Errorf(fn.Internal, "the queue has the key %q, which is none", key)
	}
	return key[1:n], binary.BigEndian.Uint64(key[n+1:]), nil
}

// parseTimed returns the entry of a key of space w.
func parseTimed(key []byte) (entry, error) {
	n := len(key) - 17
	if n < 1 || key[n] != 0 {
		return entry{}, fn.Errorf(fn.Internal, "the queue has the key %q, which is none", key)
	}
	return entry{due: int64(binary.BigEndian.Uint64(key[n+1:])), seq: binary.BigEndian.Uint64(key[n+9:])}, nil
}

// bounds are those of all keys of a stream in a space.
func bounds(space byte, stream string) *pebble.IterOptions {
	low := append(append([]byte{space}, stream...), 0)
	return &pebble.IterOptions{LowerBound: low, UpperBound: append(append([]byte{space}, stream...), 1)}
}

// spaceBounds are those of a whole space.
func spaceBounds(space byte) *pebble.IterOptions {
	return &pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}}
}

// hasPrefix is strings.HasPrefix without making a string of b.
func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && strings.HasPrefix(string(b[:len(prefix)]), prefix)
}
