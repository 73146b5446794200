package pebble

import (
	"encoding/binary"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// record is what is stored about a message besides its head and body.
type record struct {
	timed     bool   // it has a key in space w
	again     bool   // it was written more than once since it was published
	published int64  // Unix nanoseconds
	due       int64  // Unix nanoseconds; of a buried one: when it was buried
	attempt   int    // leases that were settled
	head      int    // bytes
	body      int    // bytes
	id        string //
	reason    string //
}

func (r *record) size() int64 { return int64(r.head + r.body) }

// recordFormat is the first byte of every record. Another one is refused.
const recordFormat = 1

const (
	flagTimed = 1 << iota
	flagAgain
)

func (r *record) append(b []byte) []byte {
	flags := byte(0)
	if r.timed {
		flags |= flagTimed
	}
	if r.again {
		flags |= flagAgain
	}
	b = append(b, recordFormat, flags)
	b = binary.BigEndian.AppendUint64(b, uint64(r.published))
	b = binary.BigEndian.AppendUint64(b, uint64(r.due))
	b = binary.AppendUvarint(b, uint64(r.attempt))
	b = binary.AppendUvarint(b, uint64(r.head))
	b = binary.AppendUvarint(b, uint64(r.body))
	b = binary.AppendUvarint(b, uint64(len(r.id)))
	return append(append(b, r.id...), r.reason...)
}

// parseRecord is the inverse of append. Without texts it leaves id and reason
// out, which saves time when there are a million.
func parseRecord(b []byte, texts bool) (r record, err error) {
	bad := func() (record, error) {
		return record{}, fn.Errorf(fn.Internal, "the queue has a record of %d bytes that is damaged", len(b))
	}
	if len(b) < 18 || b[0] != recordFormat {
		return bad()
	}
	r.timed, r.again = b[1]&flagTimed != 0, b[1]&flagAgain != 0
	r.published = int64(binary.BigEndian.Uint64(b[2:]))
	r.due = int64(binary.BigEndian.Uint64(b[10:]))
	rest := b[18:]
	var id int
	for _, to := range [...]*int{&r.attempt, &r.head, &r.body, &id} {
		n, size := binary.Uvarint(rest)
		if size <= 0 || n > 1<<40 {
			return bad()
		}
		*to, rest = int(n), rest[size:]
	}
	if id > len(rest) {
		return bad()
	}
	if texts {
		r.id, r.reason = string(rest[:id]), string(rest[id:])
	}
	return r, nil
}

// entry is what the port shows of a message that waits or is buried.
func (r *record) entry(stream string, seq uint64, head []byte) queue.Entry {
	return queue.Entry{
		Stream: stream, Seq: seq, ID: r.id, Head: head, Size: r.body, State: queue.Waiting,
		Attempt: r.attempt, Published: time.Unix(0, r.published), Due: time.Unix(0, r.due), Reason: r.reason,
	}
}

// appendPayload appends what space m holds.
func appendPayload(b, head, body []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(head)))
	return append(append(b, head...), body...)
}

// parsePayload returns a copy of the head, and the body, which is part of b.
func parsePayload(b []byte) (head, body []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, fn.Errorf(fn.Internal, "the queue has a message of %d bytes that is damaged", len(b))
	}
	end := size + int(n)
	return append([]byte(nil), b[size:end]...), b[end:], nil
}
