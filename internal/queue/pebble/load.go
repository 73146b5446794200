package pebble

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// load counts what is on disk. It reads every record, and no message.
func (q *Queue) load() error {
	value, closer, err := q.db.Get(numberKey())
	if err == nil && len(value) == 8 {
		q.seq = binary.BigEndian.Uint64(value)
		q.reserved, q.landed = q.seq, q.seq
	}
	if err == nil {
		err = closer.Close()
	} else if errors.Is(err, pebble.ErrNotFound) {
		err = nil
	}
	now := time.Now().UnixNano()
	if err == nil {
		err = q.loadSpace(spaceRecord, func(s *stream, r record) { s.load(r, now); q.newest = max(q.newest, r.published) })
	}
	if err == nil {
		err = q.loadSpace(spaceBuried, func(s *stream, _ record) { s.buried++ })
	}
	for _, s := range q.streams {
		s.ripeUntil = now
		s.fresh.whole, s.timed.whole = s.nfresh == 0, s.ntimed == 0
		q.clock.set(s)
		if s.due() {
			q.tellLocked(s)
		}
	}
	return err
}

func (q *Queue) loadSpace(space byte, visit func(*stream, record)) error {
	var s *stream
	return q.scan(spaceBounds(space), func(key, value []byte) (bool, error) {
		name, _, err := parseSeqKey(key)
		if err != nil {
			return false, err
		}
		r, err := parseRecord(value, false)
		if err != nil {
			return false, err
		}
		if s == nil || s.name != string(name) {
			s = q.streamLocked(string(name))
		}
		visit(s, r)
		s.bytes += r.size()
		q.bytes.Add(r.size())
		return true, nil
	})
}

// load counts a message that is not buried.
func (s *stream) load(r record, now int64) {
	switch {
	case !r.timed:
		s.nfresh++
		return
	case r.due <= now:
		s.ripe++
	default:
		s.at = min(s.at, r.due)
	}
	s.ntimed++
}

// scan calls visit with the keys and values of a range until it returns false.
func (q *Queue) scan(bounds *pebble.IterOptions, visit func(key, value []byte) (bool, error)) error {
	it, err := q.db.NewIter(bounds)
	if err != nil {
		return readError(err)
	}
	more := true
	for ok := it.First(); ok && more && err == nil; ok = it.Next() {
		var value []byte
		if value, err = it.ValueAndErr(); err == nil {
			more, err = visit(it.Key(), value)
		}
	}
	if cerr := it.Close(); err == nil && cerr != nil {
		err = readError(cerr)
	}
	return err
}
