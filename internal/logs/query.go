package logs

import "time"

// Query selects lines. The zero value is everything kept.
type Query struct {
	Since    time.Time // not older; zero: from the oldest kept
	Tail     int       // of the lines already there at most so many, the newest; 0: all; negative: none
	Follow   bool      // go on with new lines
	Call     string    // only lines of that call
	Instance string    // only lines of that instance
	Revision int       // only lines of that revision
}

func (q *Query) matches(l *Line) bool {
	switch {
	case q.Call != "" && q.Call != l.Call,
		q.Instance != "" && q.Instance != l.Instance,
		q.Revision != 0 && q.Revision != l.Revision,
		l.Time.Before(q.Since):
		return false
	}
	return true
}

// lastLines keeps the newest n lines it is given.
type lastLines struct {
	n     int
	lines []Line
	next  int // the oldest, once there are n
}

func (k *lastLines) add(l Line) {
	if len(k.lines) < k.n {
		k.lines = append(k.lines, l)
		return
	}
	k.lines[k.next] = l
	k.next = (k.next + 1) % k.n
}

// inOrder returns the lines, oldest first.
func (k *lastLines) inOrder() []Line {
	return append(k.lines[k.next:len(k.lines):len(k.lines)], k.lines[:k.next]...)
}
