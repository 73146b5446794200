package control

import (
	"bytes"
	"sync"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// recentMost bounds how many functions a recent remembers.
const recentMost = 256

// recent remembers what stored functions mean, because reading the same text
// for each asynchronous call costs more than getting it. It goes by the text,
// so it cannot be out of date. The zero value is empty.
type recent struct {
	mu    sync.Mutex
	known map[store.Key]decoded // guarded by mu
}

type decoded struct {
	text []byte
	f    fn.Function
}

// function decodes o. What it returns is shared: nobody may change it.
func (r *recent) function(o store.Object) (fn.Function, error) {
	r.mu.Lock()
	d, ok := r.known[o.Key]
	r.mu.Unlock()
	if ok && bytes.Equal(d.text, o.Value) {
		return d.f, nil
	}
	f, err := decode[fn.Function](o)
	if err != nil {
		return f, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= recentMost {
		r.known = make(map[store.Key]decoded)
	}
	r.known[o.Key] = decoded{bytes.Clone(o.Value), f}
	return f, nil
}
