package async

import (
	"context"
	"slices"
	"strings"
	"time"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Stream describes what of one function waits in one place.
type Stream struct {
	Ref      fn.Ref
	Queue    string // "" for callbacks
	Callback bool   // it holds results on their way
	Waiting  int    // due now
	Delayed  int    // due later: failed before, or not to be done yet
	Leased   int    // under way
	Dead     int    // put aside
	Bytes    int64
	Oldest   time.Time // when the oldest that is not dead was accepted; zero: none
}

// Streams describes what waits, of one function unless ref is zero, in order
// of name.
func (e *Engine) Streams(ctx context.Context, ref fn.Ref) ([]Stream, error) {
	var out []Stream
	for _, prefix := range []string{callPrefix, callbackPrefix} {
		infos, err := e.cfg.Queue.Streams(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for _, i := range infos {
			queueName, of, ok := parseStream(i.Stream)
			if !ok || ref != (fn.Ref{}) && of != ref {
				continue
			}
			out = append(out, Stream{
				Ref: of, Queue: queueName, Callback: prefix == callbackPrefix, Waiting: i.Waiting, Delayed: i.Delayed,
				Leased: i.Leased, Dead: i.Buried, Bytes: i.Bytes, Oldest: i.Oldest,
			})
		}
	}
	return out, nil
}

// Letter is a message as people see it. What callers sent is left out but for
// the path: headers and bodies may hold secrets.
type Letter struct {
	ID        string // of the call, or of the result
	Ref       fn.Ref
	Queue     string // "" for callbacks
	Callback  bool
	State     queue.State
	Path      string // for the function; for callbacks ""
	Size      int    // bytes of the body
	Attempts  int
	Published time.Time
	Due       time.Time
	Reason    string // why the last try failed

	stream string
	seq    uint64
}

// Letters returns messages of a function in a state, the oldest first, at most
// limit of each of its streams.
func (e *Engine) Letters(ctx context.Context, ref fn.Ref, state queue.State, limit int) ([]Letter, error) {
	streams, err := e.streamsOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	var out []Letter
	for _, stream := range streams {
		entries, err := e.cfg.Queue.List(ctx, stream, state, 0, limit)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			out = append(out, letterOf(&entries[i]))
		}
	}
	slices.SortStableFunc(out, func(a, b Letter) int { return a.Published.Compare(b.Published) })
	return out, nil
}

func letterOf(m *queue.Entry) Letter {
	queueName, ref, _ := parseStream(m.Stream)
	l := Letter{
		ID: m.ID, Ref: ref, Queue: queueName, State: m.State, Size: m.Size, Attempts: m.Attempt, Published: m.Published,
		Due: m.Due, Reason: m.Reason, stream: m.Stream, seq: m.Seq,
	}
	if l.Callback = strings.HasPrefix(m.Stream, callbackPrefix); !l.Callback {
		if h, err := readHead(m.Head); err == nil {
			l.Path = h.Path
		}
	}
	return l
}

// streamsOf names the streams of one function that hold something.
func (e *Engine) streamsOf(ctx context.Context, ref fn.Ref) ([]string, error) {
	infos, err := e.cfg.Queue.Streams(ctx, callPrefix)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, i := range infos {
		if _, of, ok := parseStream(i.Stream); ok && of == ref {
			out = append(out, i.Stream)
		}
	}
	return append(out, callbackStream(ref)), nil
}

// page is how many messages are read at a time where all are needed.
const page = 256

// each calls f with the messages of a function in a state, some at a time. f
// may take them out of the state.
func (e *Engine) each(ctx context.Context, ref fn.Ref, state queue.State, f func(stream string, some []queue.Entry) error) error {
	streams, err := e.streamsOf(ctx, ref)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		for after := uint64(0); ; {
			some, err := e.cfg.Queue.List(ctx, stream, state, after, page)
			if err != nil {
				return err
			}
			if len(some) == 0 {
				break
			}
			after = some[len(some)-1].Seq
			if err := f(stream, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// seqsOf returns where the messages with these IDs are; all if there are none.
func seqsOf(some []queue.Entry, ids []string) []uint64 {
	var seqs []uint64
	for i := range some {
		if len(ids) == 0 || slices.Contains(ids, some[i].ID) {
			seqs = append(seqs, some[i].Seq)
		}
	}
	return seqs
}
