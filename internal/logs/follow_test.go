package logs

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// follower reads in a goroutine of its own.
type follower struct {
	t      *testing.T
	lines  chan Line
	done   chan struct{}
	cancel context.CancelFunc
	err    error // read after done
}

func follow(t *testing.T, s *Store, q Query) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &follower{t: t, lines: make(chan Line), done: make(chan struct{}), cancel: cancel}
	q.Follow = true
	go func() {
		defer close(f.done)
		for l, err := range s.Read(ctx, fib, q) {
			if err != nil {
				f.err = err
				return
			}
			select {
			case f.lines <- l:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(f.end)
	return f
}

func (f *follower) end() {
	f.cancel()
	<-f.done
	if f.err != nil {
		f.t.Errorf("following ended with %v", f.err)
	}
}

func (f *follower) want(text string) {
	f.t.Helper()
	select {
	case l := <-f.lines:
		if l.Text != text {
			f.t.Fatalf("got %q, want %q", l.Text, text)
		}
	case <-f.done:
		f.t.Fatalf("ended (%v), want %q", f.err, text)
	}
}

func TestFollowGoesOnAcrossRotations(t *testing.T) {
	cfg := unlimited()
	cfg.Bytes = 128 << 10
	s := open(t, cfg)
	w := s.Writer(fib3, "a", Stdout, nil)
	print(t, w, "old 1\nold 2\n")
	f := follow(t, s, Query{Tail: 1})
	f.want("old 2")
	const n = 10_000 // several times round the ring
	for i := range n {
		print(t, w, fmt.Sprintf("line %d\n", i))
		f.want(fmt.Sprintf("line %d", i))
	}
	if _, files := onDisk(t, s, fib); files < 2 {
		t.Error("there was no rotation")
	}
	shut(t, w)
}

func TestFollowOfASilentFunctionWaitsForItsFirstLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, unlimited())
		f := follow(t, s, Query{})
		synctest.Wait()
		pass(time.Hour)
		if err := s.Sweep(time.Now()); err != nil { // must not lose the reader
			t.Fatal(err)
		}
		w := s.Writer(fib3, "a", Stdout, nil)
		print(t, w, "first\n")
		f.want("first")
		synctest.Wait()
		pass(time.Hour)
		if err := s.Sweep(time.Now()); err != nil {
			t.Fatal(err)
		}
		print(t, w, "second\n")
		f.want("second")
		shut(t, w)
		f.end()
	})
}

func TestFollowFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, unlimited())
		a, b := s.Writer(fib3, "a", Stdout, nil), s.Writer(fib3, "b", Stdout, nil)
		print(t, b, "old\n")
		f := follow(t, s, Query{Instance: "b", Tail: -1})
		synctest.Wait() // it is behind what is there
		print(t, a, "no\n")
		print(t, b, "yes\n")
		f.want("yes")
		shut(t, a, b)
		f.end()
	})
}

func TestSlowFollowerIsToldWhatItMissed(t *testing.T) {
	cfg := unlimited()
	cfg.Bytes = 128 << 10
	s := open(t, cfg)
	w := s.Writer(fib3, "a", Stdout, nil)
	print(t, w, "first\n")
	f := follow(t, s, Query{})
	f.want("first") // it holds this segment, and waits until we take more
	const n = 20_000
	for i := range n {
		print(t, w, fmt.Sprintf("line %d\n", i))
	}
	shut(t, w)
	gaps, last := 0, -1
	for last != n-1 {
		l := <-f.lines
		if l.Stream == Remark {
			gaps++
			continue
		}
		var i int
		if _, err := fmt.Sscanf(l.Text, "line %d", &i); err != nil {
			t.Fatalf("%q: %v", l.Text, err)
		}
		if i != last+1 && gaps == 0 {
			t.Fatalf("line %d follows line %d without a remark", i, last)
		}
		last = i
	}
	if gaps != 1 {
		t.Errorf("%d remarks about missing lines, want 1", gaps)
	}
}

func TestFollowEndsWithTheFunction(t *testing.T) {
	s := open(t, unlimited())
	w := s.Writer(fib3, "a", Stdout, nil)
	print(t, w, "one\n")
	f := follow(t, s, Query{})
	f.want("one")
	if err := s.Remove(fib); err != nil {
		t.Fatal(err)
	}
	<-f.done
	print(t, w, "the old instance still prints\n")
	shut(t, w)

	if got := read(t, s, fib, Query{}); len(got) != 0 {
		t.Errorf("a new function sees the old one's lines: %v", texts(got))
	}
	w = s.Writer(fib3, "b", Stdout, nil)
	print(t, w, "anew\n")
	shut(t, w)
	same(t, texts(read(t, s, fib, Query{})), []string{"anew"})
	if err := s.Remove(fib); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(fib); err != nil {
		t.Errorf("removing what is not there: %v", err)
	}
	if st := s.Stats(); st.OnDisk != 0 || st.Open != 0 {
		t.Errorf("after all is removed: %+v", st)
	}
}

func TestFollowEndsWithTheStoreAndWithItsContext(t *testing.T) {
	s := open(t, unlimited())
	w := s.Writer(fib3, "a", Stdout, nil)
	print(t, w, "one\n")
	f, g := follow(t, s, Query{}), follow(t, s, Query{})
	f.want("one")
	g.want("one")
	g.end()
	shut(t, s)
	<-f.done
	shut(t, w)
}

func TestConsumerMayStopAtAnyLine(t *testing.T) {
	s := open(t, unlimited())
	w := s.Writer(fib3, "a", Stdout, nil)
	print(t, w, "one\ntwo\nthree\n")
	for _, q := range []Query{{}, {Tail: 2}, {Follow: true}, {Follow: true, Tail: 2}} {
		for range s.Read(t.Context(), fib, q) {
			break
		}
	}
	shut(t, w)
	if r := s.rings[fib]; r == nil || r.users != 0 {
		t.Errorf("the ring is still in use: %+v", r)
	}
}

func TestReadingIsCancelledWithItsCause(t *testing.T) {
	s := open(t, unlimited())
	w := s.Writer(fib3, "a", Stdout, nil)
	print(t, w, "one\n")
	shut(t, w)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.DeadlineExceeded)
	for _, err := range s.Read(ctx, fib, Query{}) {
		if err == nil || context.Cause(ctx) != context.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
	}
}
