package pebble

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Publish implements queue.Queue.
func (q *Queue) Publish(ctx context.Context, messages ...queue.Message) error {
	if err := queue.CheckMessages(q.limits, messages); err != nil {
		return err
	}
	leave, err := q.db.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if err := q.forMessages(); err != nil {
		return err
	}
	payloads := make([][]byte, len(messages))
	for i, m := range messages {
		payloads[i] = appendPayload(make([]byte, 0, len(m.Head)+len(m.Body)+4), m.Head, m.Body)
	}
	return q.commit(ctx, func(b *pebble.Batch) (func(), error) { return q.stagePublish(b, messages, payloads) })
}

// arrival is a message on its way to the disk.
type arrival struct {
	stream string
	entry  entry
	timed  bool
	size   int64
}

func (q *Queue) stagePublish(b *pebble.Batch, messages []queue.Message, payloads [][]byte) (land func(), err error) {
	fresh, size, err := q.dropDuplicates(messages)
	if err != nil {
		return nil, err
	}
	if held := q.bytes.Load(); held+size > q.most {
		return nil, fn.WithHint(fn.Errorf(fn.Exhausted, "the queue holds %d bytes of %d, %d more do not fit", held, q.most, size),
			"let what is queued be worked off, or remove some of it")
	}
	if len(fresh) == 0 { // the answer rests on what may be on its way to the disk: it waits for that
		return nil, logNothing(b, len(messages))
	}
	q.newest = max(q.newest, time.Now().UnixNano())
	arrivals := make([]arrival, 0, len(fresh))
	for _, i := range fresh {
		a, err := q.put(b, messages[i], payloads[i])
		if err != nil {
			return nil, fn.Errorf(fn.Internal, "building a batch: %w", err)
		}
		arrivals = append(arrivals, a)
	}
	q.bytes.Add(size)
	return func() { q.arrivedLocked(arrivals) }, nil
}

func logNothing(b *pebble.Batch, messages int) error {
	if messages == 0 {
		return nil
	}
	return b.LogData(nil, nil)
}

// dropDuplicates returns the indexes of messages that are new, and the bytes of
// their heads and bodies.
func (q *Queue) dropDuplicates(messages []queue.Message) (fresh []int, size int64, err error) {
	seen := make(map[string]bool)
	for i, m := range messages {
		if m.ID != "" {
			key := idKey(m.ID, m.Stream)
			value, err := q.read(key)
			if err != nil {
				return nil, 0, err
			}
			if value != nil || seen[string(key)] {
				continue
			}
			if len(messages) > 1 {
				seen[string(key)] = true
			}
		}
		fresh = append(fresh, i)
		size += int64(len(m.Head) + len(m.Body))
	}
	return fresh, size, nil
}

// put gives m its number and writes it into b.
func (q *Queue) put(b *pebble.Batch, m queue.Message, payload []byte) (arrival, error) {
	if err := q.number(b); err != nil {
		return arrival{}, err
	}
	r := record{published: q.newest, due: q.newest, head: len(m.Head), body: len(m.Body), id: m.ID}
	if due := nanos(m.Due); due > r.due {
		r.due, r.timed = due, true
	}
	e := entry{r.due, q.seq}
	err := b.Set(seqKey(spaceMessage, m.Stream, q.seq), payload, nil)
	if err == nil {
		err = b.Set(seqKey(spaceRecord, m.Stream, q.seq), r.append(make([]byte, 0, 32+len(m.ID))), nil)
	}
	if err == nil && r.timed {
		err = b.Set(timedKey(m.Stream, e), nil, nil)
	}
	if err == nil && m.ID != "" {
		err = b.Set(idKey(m.ID, m.Stream), binary.BigEndian.AppendUint64(nil, q.seq), nil)
	}
	return arrival{m.Stream, e, r.timed, r.size()}, err
}

// numbersAtOnce is how many numbers are reserved with one write.
const numbersAtOnce = 1 << 16

// number takes the next number.
func (q *Queue) number(b *pebble.Batch) error {
	if q.seq == q.reserved {
		q.reserved += numbersAtOnce
		if err := b.Set(numberKey(), binary.BigEndian.AppendUint64(nil, q.reserved), nil); err != nil {
			return err
		}
	}
	q.seq++
	return nil
}

func (q *Queue) arrivedLocked(arrivals []arrival) {
	for _, a := range arrivals {
		s := q.streamLocked(a.stream)
		q.landed = a.entry.seq
		s.bytes += a.size
		q.arriveLocked(s, a.entry, a.timed)
	}
}
