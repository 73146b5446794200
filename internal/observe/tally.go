package observe

import (
	"strings"
	"sync"
	"sync/atomic"
)

// maxTally bounds the different keys of a tally. The platform's causes are a
// fixed set well below it; the bound holds even if one day they are not.
const maxTally = 32

// other is the key for everything beyond maxTally.
const other = "other"

// tallyKey is what a tally tells apart.
type tallyKey struct {
	class int // see classOf
	cause string
}

// tally counts by key where keys are few and not known beforehand. Reading
// and counting take no lock; a new key takes one.
type tally struct {
	mu   sync.Mutex // held while a key is added
	rows atomic.Pointer[[]*tallyRow]
}

type tallyRow struct {
	key tallyKey
	n   atomic.Uint64
}

// add counts one more of k.
func (t *tally) add(k tallyKey) {
	row := t.find(k)
	if row == nil {
		row = t.make(k)
	}
	row.n.Add(1)
}

// all returns the rows. They must not be changed.
func (t *tally) all() []*tallyRow {
	if rows := t.rows.Load(); rows != nil {
		return *rows
	}
	return nil
}

func (t *tally) find(k tallyKey) *tallyRow {
	for _, row := range t.all() {
		if row.key == k {
			return row
		}
	}
	return nil
}

// make adds a key, or returns the row that stands for the rest.
func (t *tally) make(k tallyKey) *tallyRow {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all()) >= maxTally {
		k = tallyKey{class: classes - 1, cause: other}
	}
	if row := t.find(k); row != nil {
		return row
	}
	k.cause = strings.Clone(k.cause)
	row := &tallyRow{key: k}
	rows := append(append([]*tallyRow(nil), t.all()...), row)
	t.rows.Store(&rows)
	return row
}
