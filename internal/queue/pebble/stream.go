package pebble

import (
	"time"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/queue"
)

// stream is what is known of a stream that holds messages. The queue's mu guards
// it. Its counts are of what is on disk.
type stream struct {
	name   string
	fresh  lane // what was due when it came
	timed  lane // what was not, by time
	nfresh int  // messages in fresh, leased ones included
	ntimed int  // messages in timed, leased ones included
	ripe   int  // those of them that are due, as of ripeUntil
	buried int
	bytes  int64
	low    uint64 // no message that is not buried has a smaller number
	told   bool   // it is in the queue's ready

	leases map[uint64]*lease
	passed map[uint64]int // leases that passed without an outcome, of messages that have not got one yet
	air    map[uint64]int // messages that are being removed or revived: how often

	ripeUntil int64 // Unix nanoseconds
	at        int64 // not after the first message behind ripeUntil is due; never: there is none
	inClock   int
}

func (s *stream) when() int64 { return s.at }
func (s *stream) place() *int { return &s.inClock }

// lease is a message that is handed out. The queue's mu guards it.
type lease struct {
	id       uint64
	s        *stream
	entry    entry
	timed    bool  // it is of the lane timed
	until    int64 // Unix nanoseconds
	passed   int   // leases of the message that passed since it was settled last
	settling bool  // its outcome is on its way to the disk
	record   record
	inClock  int
}

func (l *lease) when() int64 { return l.until }
func (l *lease) place() *int { return &l.inClock }

// streamLocked finds or makes a stream.
func (q *Queue) streamLocked(name string) *stream {
	s := q.streams[name]
	if s == nil {
		s = &stream{name: name, at: never, fresh: lane{whole: true}, timed: lane{whole: true}, ripeUntil: time.Now().UnixNano()}
		q.streams[name] = s
	}
	return s
}

// tidyLocked forgets a stream that holds nothing.
func (q *Queue) tidyLocked(s *stream) {
	if s.nfresh+s.ntimed+s.buried == 0 && len(s.leases) == 0 && len(s.air) == 0 {
		q.clock.remove(s)
		if q.streams[s.name] == s {
			delete(q.streams, s.name)
		}
	}
}

// due reports whether something can be leased.
func (s *stream) due() bool { return s.nfresh+s.ripe > len(s.leases) }

// held reports whether a message must not be handed out.
func (s *stream) held(seq uint64) bool { return s.leases[seq] != nil || s.air[seq] > 0 }

func (s *stream) hold(seq uint64) {
	if s.air == nil {
		s.air = make(map[uint64]int)
	}
	s.air[seq]++
}

func (s *stream) letGo(seq uint64) {
	if s.air[seq]--; s.air[seq] <= 0 {
		delete(s.air, seq)
	}
}

// tellLocked makes Due tell of s.
func (q *Queue) tellLocked(s *stream) {
	if !s.told {
		s.told = true
		q.ready = append(q.ready, s)
		q.signal()
	}
}

// signal makes a waiting Due look again.
func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// setLocked puts x into the clock.
func (q *Queue) setLocked(x item) {
	if q.clock.set(x) {
		q.signal()
	}
}

// arriveLocked takes in a message that waits from now on.
func (q *Queue) arriveLocked(s *stream, e entry, timed bool) {
	switch {
	case !timed:
		s.nfresh++
		s.fresh.add(e)
	case e.due <= s.ripeUntil:
		s.ntimed, s.ripe = s.ntimed+1, s.ripe+1
		s.timed.add(e)
	default:
		s.ntimed++
		s.timed.add(e)
		if e.due < s.at {
			s.at = e.due
			q.setLocked(s)
		}
		return
	}
	q.tellLocked(s)
}

// leaveLocked is its inverse, for what waited or was leased.
func (s *stream) leaveLocked(e entry, timed bool) {
	switch {
	case !timed:
		s.nfresh--
		s.fresh.remove(e)
	case e.due <= s.ripeUntil:
		s.ntimed, s.ripe = s.ntimed-1, s.ripe-1
		s.timed.remove(e)
	default:
		s.ntimed--
		s.timed.remove(e)
	}
}

// sweepLocked does what time has done: it takes back leases that have passed,
// and counts what has become due.
func (q *Queue) sweepLocked(now int64) error {
	for len(q.clock) > 0 && q.clock[0].when() <= now {
		switch x := q.clock[0].(type) {
		case *lease:
			q.clock.remove(x)
			q.passLocked(x)
		case *stream:
			if err := q.ripenLocked(x, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// passLocked takes a lease back that has passed. One whose outcome is on its way
// stays as it is.
func (q *Queue) passLocked(l *lease) {
	if l.settling {
		return
	}
	l.passed++
	q.releaseLocked(l)
}

// releaseLocked puts a leased message back where it was.
func (q *Queue) releaseLocked(l *lease) {
	s := l.s
	s.drop(l)
	if l.passed > 0 {
		if s.passed == nil {
			s.passed = make(map[uint64]int)
		}
		s.passed[l.entry.seq] = l.passed
	}
	if l.timed {
		s.timed.add(l.entry)
	} else {
		s.fresh.add(l.entry)
	}
	q.tellLocked(s)
}

func (s *stream) drop(l *lease) {
	if s.leases[l.entry.seq] == l {
		delete(s.leases, l.entry.seq)
	}
	if len(s.leases) == 0 {
		s.leases = nil // a map keeps what it once needed
	}
}

// ripenLocked counts what has become due in s by now, and finds when the next
// will.
func (q *Queue) ripenLocked(s *stream, now int64) error {
	bounds := bounds(spaceTimed, s.name)
	bounds.LowerBound = timedKey(s.name, entry{due: s.ripeUntil + 1})
	before := s.ripe
	at := int64(never)
	err := q.scan(bounds, func(key, _ []byte) (bool, error) {
		e, err := parseTimed(key)
		switch {
		case err != nil:
			return false, err
		case e.due > now: // should it be on its way only, looking then is in vain
			at = e.due
			return false, nil
		case e.seq <= q.landed && !s.held(e.seq): // what is held behind ripeUntil is on its way
			s.ripe++
		}
		return true, nil
	})
	if err != nil {
		s.ripe = before
		return err
	}
	s.ripeUntil, s.at = now, at
	q.clock.set(s)
	if s.ripe > before {
		q.tellLocked(s)
	}
	return nil
}

// readLocked fills the window of a lane, if it is empty.
func (q *Queue) readLocked(s *stream, l *lane) error {
	if len(l.window) > 0 || l.whole {
		return nil
	}
	parse, bounds := parseTimed, bounds(spaceTimed, s.name)
	if l == &s.timed {
		bounds.LowerBound = timedKey(s.name, entry{l.edge.due, l.edge.seq + 1})
	} else {
		bounds = boundsAfter(spaceRecord, s.name, l.edge.seq)
	}
	whole := true
	err := q.scan(bounds, func(key, value []byte) (bool, error) {
		e, skip, err := entry{}, false, error(nil)
		if l == &s.timed {
			e, err = parse(key)
		} else {
			e, skip, err = parseFresh(key, value)
		}
		if err != nil {
			return false, err
		}
		l.edge = e
		if !skip && e.seq <= q.landed && !s.held(e.seq) {
			l.window = append(l.window, e)
		}
		whole = len(l.window) < windowRead
		return whole, nil
	})
	l.whole = err == nil && whole
	return err
}

// parseFresh returns the entry of a record in the lane fresh, and whether the
// message is in the other one.
func parseFresh(key, value []byte) (entry, bool, error) {
	_, seq, err := parseSeqKey(key)
	if err != nil {
		return entry{}, false, err
	}
	r, err := parseRecord(value, false)
	return entry{due: r.published, seq: seq}, r.timed, err
}

// boundsAfter are those of the keys of a stream with greater numbers.
func boundsAfter(space byte, stream string, seq uint64) *pebble.IterOptions {
	b := bounds(space, stream)
	b.LowerBound = seqKey(space, stream, seq+1)
	return b
}

// infoLocked describes s but for the time of its oldest message.
func (s *stream) infoLocked() queue.Info {
	return queue.Info{
		Stream: s.name, Waiting: s.nfresh + s.ripe - len(s.leases), Delayed: s.ntimed - s.ripe,
		Leased: len(s.leases), Buried: s.buried, Bytes: s.bytes,
	}
}
