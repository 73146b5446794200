package nativetest

import (
	"context"
	"slices"
	"sync"

	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/dialect/native"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Queue is a native.Calls in memory. Nothing is ever carried out.
type Queue struct {
	mu      sync.Mutex
	letters []async.Letter // guarded by mu
}

var _ native.Calls = (*Queue)(nil)

// Put adds a message; its call ID must be new.
func (q *Queue) Put(l async.Letter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.letters = append(q.letters, l)
}

// Streams implements native.Calls.
func (q *Queue) Streams(_ context.Context, ref fn.Ref) ([]async.Stream, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []async.Stream
	for _, l := range q.letters {
		if ref != (fn.Ref{}) && ref != l.Ref {
			continue
		}
		i := slices.IndexFunc(out, func(s async.Stream) bool { return s.Ref == l.Ref && s.Queue == l.Queue })
		if i < 0 {
			i = len(out)
			out = append(out, async.Stream{Ref: l.Ref, Queue: l.Queue, Callback: l.Callback})
		}
		switch out[i].Bytes += int64(l.Size); l.State {
		case queue.Waiting:
			out[i].Waiting++
			out[i].Oldest = l.Published
		case queue.Leased:
			out[i].Leased++
		case queue.Buried:
			out[i].Dead++
		}
	}
	return out, nil
}

// Letters implements native.Calls.
func (q *Queue) Letters(_ context.Context, ref fn.Ref, state queue.State, limit int) ([]async.Letter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []async.Letter
	for _, l := range q.letters {
		if l.Ref == ref && l.State == state && len(out) < limit {
			out = append(out, l)
		}
	}
	return out, nil
}

// Redrive implements native.Calls.
func (q *Queue) Redrive(_ context.Context, ref fn.Ref, ids ...string) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for i := range q.letters {
		if l := &q.letters[i]; l.Ref == ref && l.State == queue.Buried && (len(ids) == 0 || slices.Contains(ids, l.ID)) {
			l.State, l.Attempts = queue.Waiting, 0
			n++
		}
	}
	return n, none(n, ids)
}

// Purge implements native.Calls.
func (q *Queue) Purge(_ context.Context, ref fn.Ref, state queue.State, ids ...string) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.letters)
	q.letters = slices.DeleteFunc(q.letters, func(l async.Letter) bool {
		return l.Ref == ref && l.State == state && (len(ids) == 0 || slices.Contains(ids, l.ID))
	})
	n := before - len(q.letters)
	return n, none(n, ids)
}

func none(n int, ids []string) error {
	if n == 0 && len(ids) > 0 {
		return fn.Errorf(fn.NotFound, "there is no such message")
	}
	return nil
}

// Cancel implements native.Calls.
func (q *Queue) Cancel(ctx context.Context, id string, may func(fn.Ref) error) error {
	l, err := q.find(id)
	if err == nil {
		err = may(l.Ref)
	}
	if err != nil {
		return err
	}
	if l.State == queue.Buried {
		return fn.WithHint(fn.Errorf(fn.NotFound, "there is no asynchronous call %.80q that waits or runs", id),
			"it was put aside: rouse queue purge %s.%s %s removes it", l.Ref.Name, l.Ref.Namespace, id)
	}
	_, err = q.Purge(ctx, l.Ref, l.State, id)
	return err
}

func (q *Queue) find(id string) (async.Letter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, l := range q.letters {
		if l.ID == id {
			return l, nil
		}
	}
	return async.Letter{}, fn.Errorf(fn.NotFound, "there is no asynchronous call %.80q that waits or runs", id)
}
