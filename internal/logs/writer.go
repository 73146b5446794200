package logs

import (
	"bytes"
	"io"
	"io/fs"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// writer takes one stream of one instance.
type writer struct {
	s    *Store
	in   *instance
	ring *ring // nil: nothing is kept on disk
	head Line  // Time and Call are set at each Write
	call func() (fn.CallID, bool)

	// guarded by in.mu
	part []byte // a line that has not ended
	skip bool   // part was cut and written: the rest of its line is thrown away
	shut bool
}

// batch is records on their way to the ring.
type batch struct {
	b                []byte
	lines            int
	tooFast, refused int // lines that remarks in b tell of
}

// Writer returns where a stream (Stdout or Stderr) of an instance goes. call
// is asked at each Write for the call the instance is working on; it may be
// nil. Write takes everything and fails only after Close, which writes an
// unfinished line out.
func (s *Store) Writer(rev fn.RevisionRef, id, stream string, call func() (fn.CallID, bool)) io.WriteCloser {
	if call == nil {
		call = func() (fn.CallID, bool) { return fn.CallID{}, false }
	}
	id = word(id)
	w := &writer{s: s, in: s.join(id), call: call, head: Line{Stream: stream, Revision: rev.Number, Instance: id}}
	// Without a ring (the store is closing, a name that cannot be) the last
	// lines are still there for whoever asks why the instance ended.
	w.ring, _ = s.acquire(rev.Ref)
	w.in.mu.Lock()
	w.in.writers = append(w.in.writers, w)
	w.in.mu.Unlock()
	return w
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	id := w.callID() // calls out, so not under the lock
	w.in.mu.Lock()
	defer w.in.mu.Unlock()
	if w.shut {
		return 0, fs.ErrClosed
	}
	n, out := len(p), w.beginLocked(id)
	defer w.endLocked(out)
	for len(p) > 0 {
		if w.in.closed && !w.skip && len(w.part) == 0 {
			p = w.passLocked(p)
		}
		p = w.takeLocked(p, out)
	}
	return n, nil
}

// callID returns the id of the call the instance works on, or "".
func (w *writer) callID() string {
	if id, ok := w.call(); ok {
		return id.String()
	}
	return ""
}

// beginLocked makes ready to write: one look at the clock for each Write.
func (w *writer) beginLocked(call string) *batch {
	w.head.Time, w.head.Call = time.Now(), call
	w.in.refillLocked(w.head.Time)
	if out, ok := w.s.batches.Get().(*batch); ok {
		return out
	}
	return &batch{b: make([]byte, 0, w.s.cfg.batch())}
}

// endLocked writes out what a Write has gathered.
func (w *writer) endLocked(out *batch) {
	w.flushLocked(out)
	w.s.batches.Put(out)
}

// takeLocked takes p up to the end of a line, or all of it.
func (w *writer) takeLocked(p []byte, out *batch) []byte {
	i := bytes.IndexByte(p, '\n')
	ended := i >= 0
	line, rest := p, []byte(nil)
	if ended {
		line, rest = p[:i], p[i+1:]
	}
	if w.skip {
		w.skip = !ended
		return rest
	}
	if room := MaxLine - len(w.part); len(line) > room {
		w.lineLocked(append(w.part, line[:room]...), true, out)
		w.skip = !ended
		return rest
	}
	switch {
	case !ended:
		w.part = append(w.part, line...)
	case len(w.part) > 0:
		w.lineLocked(append(w.part, line...), false, out)
	default:
		w.lineLocked(line, false, out)
	}
	return rest
}

// keepPart is the capacity a writer may hold while it waits for a line to end.
const keepPart = 1 << 10

// lineLocked takes a line that has ended. It may lie in w.part, which is empty
// afterwards.
func (w *writer) lineLocked(line []byte, cut bool, out *batch) {
	call := w.head.Call
	if tag, rest := splitTag(line); tag != "" {
		w.head.Call, line = tag, rest
	}
	w.in.tail.push(line)
	w.recordLocked(line, cut, out)
	w.head.Call = call
	if w.part = w.part[:0]; cap(w.part) > keepPart {
		w.part = nil
	}
}

// recordLocked adds a line to the batch, if the instance may write it.
func (w *writer) recordLocked(line []byte, cut bool, out *batch) {
	if w.ring == nil {
		return
	}
	if !w.in.spendLocked(int64(len(line) + maxHead/2)) {
		w.in.tooFast++
		w.s.dropped.Add(1)
		return
	}
	w.remarkLocked(out)
	head := w.head
	head.Cut = cut
	w.appendLocked(&head, line, out)
	out.lines++
}

// remarkLocked says what is missing before the line that follows.
func (w *writer) remarkLocked(out *batch) {
	if w.in.tooFast == 0 && w.in.refused == 0 {
		return
	}
	head := w.head
	head.Stream, head.Call = Remark, ""
	fast, refused := w.in.tooFast, w.in.refused
	for _, text := range w.in.remarksLocked() {
		w.appendLocked(&head, []byte(text), out)
	}
	out.tooFast += fast
	out.refused += refused
}

func (w *writer) appendLocked(head *Line, line []byte, out *batch) {
	if len(out.b) > 0 && len(out.b)+maxHead+len(line) > w.s.cfg.batch() {
		w.flushLocked(out)
	}
	out.b = appendHead(out.b, head)
	out.b = append(out.b, line...)
	out.b = append(out.b, '\n')
}

// passLocked drops all whole lines of p at once and returns what is left. It
// is what makes a flood cheap: it only counts.
func (w *writer) passLocked(p []byte) []byte {
	end := bytes.LastIndexByte(p, '\n') + 1
	n := bytes.Count(p[:end], []byte{'\n'})
	if n == 0 {
		return p
	}
	w.in.tail.pushLast(p[:end])
	w.in.tooFast += n
	w.s.dropped.Add(uint64(n))
	return p[end:]
}

// The disk is a resource of all functions: when it is in trouble it is left
// alone for a while. See Config.Patience.
const (
	restFactor = 5
	maxRest    = 10 * time.Second
	errorRest  = time.Second // after an error; a full disk is one
)

// flushLocked writes the batch to the ring, or drops it if the disk is not up
// to it.
func (w *writer) flushLocked(out *batch) {
	if len(out.b) == 0 {
		return
	}
	ok := w.s.slow.Load() <= w.head.Time.UnixNano()
	if ok {
		began := time.Now()
		err := w.ring.append(out.b, began)
		w.s.judge(time.Now(), time.Since(began), err)
		ok = err == nil
	}
	if ok {
		w.s.lines.Add(uint64(out.lines))
		w.s.bytes.Add(uint64(len(out.b)))
	} else {
		w.in.tooFast += out.tooFast
		w.in.refused += out.refused + out.lines
		w.s.dropped.Add(uint64(out.lines))
	}
	*out = batch{b: out.b[:0]}
}

// judge leaves the disk alone for a while if a write that ended now was slow
// or failed.
func (s *Store) judge(now time.Time, took time.Duration, err error) {
	switch {
	case err != nil:
		s.slow.Store(now.Add(errorRest).UnixNano())
	case took > s.cfg.Patience:
		s.slow.Store(now.Add(min(restFactor*took, maxRest)).UnixNano())
	}
}

// Close implements io.Closer.
func (w *writer) Close() error {
	id := w.callID()
	w.in.mu.Lock()
	if w.shut {
		w.in.mu.Unlock()
		return nil
	}
	out := w.beginLocked(id)
	if len(w.part) > 0 {
		w.lineLocked(w.part, false, out)
	}
	if w.ring != nil {
		w.remarkLocked(out)
	}
	w.endLocked(out)
	w.shut, w.part = true, nil
	w.in.mu.Unlock()

	if w.ring != nil {
		w.s.release(w.ring)
	}
	w.s.leave(w.in)
	return nil
}
