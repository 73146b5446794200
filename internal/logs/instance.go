package logs

import (
	"fmt"
	"sync"
	"time"

	"rouse.dev/rouse/internal/fn"
)

// maxEnded is how many instances' last lines are kept after their end.
const maxEnded = 256

// endedFor is for how long they are.
const endedFor = time.Minute

// instance is what the writers of one instance share: how much it may write,
// and its last lines.
type instance struct {
	s  *Store
	id string

	open  int       // writers; guarded by Store.mu
	ended time.Time // when the last writer was closed; guarded by Store.mu

	mu       sync.Mutex
	tail     tail
	writers  []*writer
	tokens   int64     // bytes that may be written now
	refilled time.Time // when tokens were last added to; zero: never
	closed   bool      // over the rate: nothing is written until reopen is reached
	tooFast  int       // lines dropped since the last remark, over the rate
	refused  int       // … because the disk was slow, full or failing
}

// join returns the instance for one more writer.
func (s *Store) join(id string) *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.instances[id]
	if in == nil {
		in = &instance{s: s, id: id}
		s.instances[id] = in
	}
	in.open++
	return in
}

// leave ends a writer's use of in. The last lines stay for a while.
func (s *Store) leave(in *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.open--; in.open > 0 {
		return
	}
	in.ended = time.Now()
	s.ended = append(s.ended, in)
	if len(s.ended) > maxEnded {
		s.dropEndedLocked(1)
	}
}

// dropEndedLocked forgets the n instances that ended first.
func (s *Store) dropEndedLocked(n int) {
	for _, in := range s.ended[:n] {
		if in.open == 0 && s.instances[in.id] == in {
			delete(s.instances, in.id)
		}
	}
	s.ended = append([]*instance(nil), s.ended[n:]...)
}

// Last returns the last lines an instance printed, at most
// fn.MaxFailureOutput, oldest first and safe to print; a line that was not
// ended yet is the last. It works until a minute after the instance's writers
// were closed.
func (s *Store) Last(id string) []string {
	s.mu.Lock()
	in := s.instances[word(id)]
	s.mu.Unlock()
	if in == nil {
		return nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	lines := in.tail.last()
	for _, w := range in.writers {
		if len(w.part) > 0 && !w.skip {
			lines = append(lines, Printable(string(w.part[:min(len(w.part), tailBytes)])))
		}
	}
	return lines[max(0, len(lines)-fn.MaxFailureOutput):]
}

// refillLocked adds what the time since the last call allows.
func (in *instance) refillLocked(now time.Time) {
	cfg := &in.s.cfg
	since := now.Sub(in.refilled)
	if in.refilled.IsZero() || since > time.Hour {
		in.tokens, in.refilled = cfg.Burst, now
	} else if add := int64(since.Seconds() * float64(cfg.Rate)); add > 0 {
		in.tokens, in.refilled = min(in.tokens+add, cfg.Burst), now
	}
	if in.closed && in.tokens >= cfg.Burst/8 {
		in.closed = false
	}
}

// spendLocked takes n bytes. Once there is not enough, nothing is given until
// an eighth of the burst has come together: a flood leaves whole stretches of
// output, not a line here and there.
func (in *instance) spendLocked(n int64) bool {
	if in.closed || in.tokens < n {
		in.closed = true
		return false
	}
	in.tokens -= n
	return true
}

// remarksLocked returns what has to be said about lines that are missing, and
// forgets it.
func (in *instance) remarksLocked() (texts []string) {
	if n := in.tooFast; n > 0 {
		texts = append(texts, fmt.Sprintf("%s dropped: printed faster than %s a second", countLines(n), fn.FormatBytes(in.s.cfg.Rate)))
	}
	if n := in.refused; n > 0 {
		texts = append(texts, fmt.Sprintf("%s dropped: the disk is too slow or full", countLines(n)))
	}
	in.tooFast, in.refused = 0, 0
	return texts
}

func countLines(n int) string {
	if n == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", n)
}
