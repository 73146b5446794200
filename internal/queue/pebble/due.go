package pebble

import (
	"context"
	"slices"
	"strings"
	"time"

	"rouse.dev/rouse/internal/queue"
)

// Due implements queue.Queue.
func (q *Queue) Due(ctx context.Context) ([]string, error) {
	for {
		names, next, err := q.look(ctx)
		if err != nil || len(names) > 0 {
			return names, err
		}
		if err := q.await(ctx, next); err != nil {
			return nil, err
		}
	}
}

// look takes the names that are ready, and says when to look again; zero: not
// before something changes.
func (q *Queue) look(ctx context.Context) (names []string, next time.Time, err error) {
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return nil, next, err
	}
	defer leave()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken != nil {
		return nil, next, q.broken
	}
	if err := q.sweepLocked(time.Now().UnixNano()); err != nil {
		return nil, next, err
	}
	for _, s := range q.ready {
		s.told = false
		if s.due() && q.streams[s.name] == s {
			names = append(names, s.name)
		}
	}
	clear(q.ready)
	q.ready = q.ready[:0]
	return names, q.clock.next(), nil
}

// await does not hold the gate: Close need not wait for a Due that waits.
func (q *Queue) await(ctx context.Context, next time.Time) error {
	var clock <-chan time.Time
	if !next.IsZero() {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		clock = t.C
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-q.shut:
		return q.db.ErrClosed()
	case <-q.wake:
	case <-clock:
	}
	return nil
}

// Streams implements queue.Queue.
func (q *Queue) Streams(ctx context.Context, prefix string) ([]queue.Info, error) {
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	out, lows, err := q.infos(prefix)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	if err := q.findOldest(out, lows); err != nil {
		return nil, err
	}
	q.learn(out, lows)
	return out, nil
}

// infos describes streams, and returns the number from which on each may have
// messages that are not buried.
func (q *Queue) infos(prefix string) (out []queue.Info, lows []uint64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now().UnixNano()
	if err := q.sweepLocked(now); err != nil {
		return nil, nil, err
	}
	for name, s := range q.streams {
		if strings.HasPrefix(name, prefix) && s.nfresh+s.ntimed+s.buried > 0 {
			out = append(out, s.infoLocked())
		}
	}
	slices.SortFunc(out, func(a, b queue.Info) int { return strings.Compare(a.Stream, b.Stream) })
	for _, i := range out {
		lows = append(lows, q.streams[i.Stream].low)
	}
	return out, lows, nil
}

// findOldest looks for the first message of each stream, and notes its number.
func (q *Queue) findOldest(infos []queue.Info, lows []uint64) error {
	it, err := q.db.NewIter(spaceBounds(spaceRecord))
	if err != nil {
		return readError(err)
	}
	for i := range infos {
		if infos[i].Waiting+infos[i].Delayed+infos[i].Leased == 0 || !it.SeekGE(seqKey(spaceRecord, infos[i].Stream, lows[i])) {
			continue
		}
		name, seq, perr := parseSeqKey(it.Key())
		if perr == nil && string(name) != infos[i].Stream {
			continue // its last message goes just now
		}
		var r record
		value, verr := it.ValueAndErr()
		if err = perr; err == nil {
			err = verr
		}
		if err == nil {
			r, err = parseRecord(value, false)
		}
		if err != nil {
			break
		}
		infos[i].Oldest, lows[i] = time.Unix(0, r.published), seq
	}
	if cerr := it.Close(); err == nil && cerr != nil {
		err = readError(cerr)
	}
	return err
}

// learn keeps the numbers, so that the next search does not go through what was
// deleted before them.
func (q *Queue) learn(infos []queue.Info, lows []uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range infos {
		if s := q.streams[infos[i].Stream]; s != nil {
			s.low = max(s.low, lows[i])
		}
	}
}
