package memory

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Streams implements queue.Queue.
func (q *Queue) Streams(ctx context.Context, prefix string) ([]queue.Info, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return nil, err
	}
	now := time.Now()
	var out []queue.Info
	for _, name := range slices.Sorted(maps.Keys(q.streams)) {
		if strings.HasPrefix(name, prefix) {
			out = append(out, q.streams[name].info(name, now))
		}
	}
	return out, nil
}

func (s *stream) info(name string, now time.Time) queue.Info {
	info := queue.Info{Stream: name}
	for _, m := range s.all {
		info.Bytes += int64(len(m.Head) + len(m.body))
		switch {
		case m.State == queue.Buried:
			info.Buried++
			continue
		case m.State == queue.Leased:
			info.Leased++
		case m.due.After(now):
			info.Delayed++
		default:
			info.Waiting++
		}
		if info.Oldest.IsZero() || m.Published.Before(info.Oldest) {
			info.Oldest = m.Published
		}
	}
	return info
}

// List implements queue.Keeper.
func (q *Queue) List(ctx context.Context, name string, state queue.State, after uint64, limit int) ([]queue.Entry, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return nil, err
	}
	s := q.streams[name]
	if s == nil {
		return nil, nil
	}
	var out []queue.Entry
	for _, seq := range slices.Sorted(maps.Keys(s.all)) {
		if m := s.all[seq]; seq > after && m.State == state && len(out) < limit {
			out = append(out, m.entry())
		}
	}
	return out, nil
}

// Find implements queue.Keeper.
func (q *Queue) Find(ctx context.Context, prefix, id string) (queue.Entry, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return queue.Entry{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(q.streams)) {
		if m := q.byIDLocked(name, id); m != nil && id != "" && strings.HasPrefix(name, prefix) {
			return m.entry(), nil
		}
	}
	return queue.Entry{}, fn.Errorf(fn.NotFound, "no message %q is queued", id)
}

// Revive implements queue.Keeper.
func (q *Queue) Revive(ctx context.Context, name string, seqs ...uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return err
	}
	for _, seq := range seqs {
		if m := q.messageLocked(name, seq); m == nil || m.State != queue.Buried {
			return fn.Errorf(fn.NotFound, "message %d of %s is not buried", seq, name)
		}
	}
	now := time.Now()
	for _, seq := range seqs {
		if m := q.messageLocked(name, seq); m.State == queue.Buried {
			m.Attempt, m.due = 0, now
			q.streams[name].wait(m)
		}
	}
	q.sweepLocked(now)
	q.signal()
	return nil
}

// Remove implements queue.Keeper.
func (q *Queue) Remove(ctx context.Context, name string, seqs ...uint64) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return 0, err
	}
	n := 0
	for _, seq := range seqs {
		if m := q.messageLocked(name, seq); m != nil {
			q.dropLocked(m)
			n++
		}
	}
	return n, nil
}

// Expire implements queue.Keeper.
func (q *Queue) Expire(ctx context.Context, name string, before time.Time, after uint64, limit int) (removed int, next uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.beginLocked(ctx); err != nil {
		return 0, 0, err
	}
	s := q.streams[name]
	if s == nil || limit < 1 {
		return 0, 0, nil
	}
	seen := 0
	for _, seq := range slices.Sorted(maps.Keys(s.all)) {
		m := s.all[seq]
		if seq <= after || m.State != queue.Buried {
			continue
		}
		if m.due.Before(before) {
			q.dropLocked(m)
			removed++
		}
		if seen++; seen == limit {
			return removed, seq, nil
		}
	}
	return removed, 0, nil
}
