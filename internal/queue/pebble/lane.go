package pebble

import (
	"cmp"
	"slices"
)

// entry names a message within a stream.
type entry struct {
	due int64 // Unix nanoseconds
	seq uint64
}

// compare orders by due, then seq.
func (e entry) compare(o entry) int {
	return cmp.Or(cmp.Compare(e.due, o.due), cmp.Compare(e.seq, o.seq))
}

// The window of a lane is read in pieces of windowRead, and cut to that length
// when it has grown to windowMost.
const (
	windowRead = 64
	windowMost = 4 * windowRead
)

// lane is one of the two orders in which the messages of a stream lie on disk:
// those that were due when they came in order of seq (space r), the others by
// time (space w). It holds the front of that order in memory.
//
// What lies up to edge is in window, or it is held: leased, or on its way to or
// from the disk. What lies behind is on disk alone. Since published messages
// have growing times, entry.compare orders both lanes.
type lane struct {
	window []entry // ascending
	edge   entry   // the last one looked at
	whole  bool    // there is nothing behind edge
}

// add takes in an entry that is new in the lane or has come back.
func (l *lane) add(e entry) {
	if !l.whole && e.compare(l.edge) > 0 {
		return
	}
	at, found := slices.BinarySearchFunc(l.window, e, entry.compare)
	if found {
		return
	}
	l.window = slices.Insert(l.window, at, e)
	if len(l.window) >= windowMost {
		l.window = slices.Clone(l.window[:windowRead])
		l.edge, l.whole = l.window[windowRead-1], false
	}
}

func (l *lane) remove(e entry) {
	if at, found := slices.BinarySearchFunc(l.window, e, entry.compare); found {
		l.window = slices.Delete(l.window, at, at+1)
	}
}

// pop takes the first entry, which must exist, out.
func (l *lane) pop() entry {
	e := l.window[0]
	if l.window = l.window[1:]; len(l.window) == 0 {
		l.window = nil
	}
	return e
}
