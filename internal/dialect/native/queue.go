package native

import (
	"context"
	"fmt"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/async"
	"rouse.dev/rouse/internal/auth"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/queue"
)

// Calls looks at asynchronous calls and changes what became of them;
// *async.Engine is the one there is. The function of a call need not be there
// any more.
type Calls interface {
	// Streams describes what waits, of one function unless ref is zero.
	Streams(ctx context.Context, ref fn.Ref) ([]async.Stream, error)
	// Letters returns messages of a function in a state, the oldest first.
	Letters(ctx context.Context, ref fn.Ref, state queue.State, limit int) ([]async.Letter, error)
	// Redrive sends dead letters on their way: those with the IDs, or all.
	Redrive(ctx context.Context, ref fn.Ref, ids ...string) (int, error)
	// Purge removes messages of a function: those with the IDs, or all.
	Purge(ctx context.Context, ref fn.Ref, state queue.State, ids ...string) (int, error)
	// Cancel drops a call that waits, or ends one that runs, if may returns no
	// error for its function; else that error, or fn.NotFound.
	Cancel(ctx context.Context, id string, may func(fn.Ref) error) error
}

func listQueue(c *call, _ none) (api.QueueList, error) {
	all, err := c.Calls.Streams(c.r.Context(), c.ref)
	out := api.QueueList{Streams: make([]api.QueueStream, 0, len(all))}
	for i := range all {
		if s := &all[i]; auth.Allow(c.who, auth.Read, s.Ref.Namespace) {
			out.Streams = append(out.Streams, streamOf(s))
		}
	}
	return out, err
}

func streamOf(s *async.Stream) api.QueueStream {
	out := api.QueueStream{
		Function: s.Ref.Name, Namespace: s.Ref.Namespace, Kind: "calls", Queue: s.Queue,
		Waiting: s.Waiting, Delayed: s.Delayed, Running: s.Leased, Dead: s.Dead, Bytes: s.Bytes,
	}
	if s.Callback {
		out.Kind = "callbacks"
	}
	if !s.Oldest.IsZero() {
		out.Oldest = &s.Oldest
	}
	return out
}

// manyLetters bounds one list of dead letters.
const manyLetters = 1000

func listDead(c *call, _ none) (api.DeadLetterList, error) {
	limit := c.intParam("limit")
	if limit < 0 || limit > manyLetters {
		c.wrong.Add("query limit", "must be between 1 and %d", manyLetters)
	}
	if err := c.wrong.Err(); err != nil {
		return api.DeadLetterList{}, err
	}
	if limit == 0 {
		limit = 100
	}
	all, err := c.Calls.Letters(c.r.Context(), c.ref, queue.Buried, limit)
	out := api.DeadLetterList{Letters: make([]api.DeadLetter, 0, len(all))}
	for i := range all[:min(len(all), limit)] {
		out.Letters = append(out.Letters, letterOf(&all[i]))
	}
	return out, err
}

func letterOf(l *async.Letter) api.DeadLetter {
	out := api.DeadLetter{
		ID: l.ID, Kind: "call", Queue: l.Queue, Path: text(l.Path), Size: l.Size, Attempts: l.Attempts,
		Published: l.Published, Reason: text(l.Reason),
	}
	if l.Callback {
		out.Kind = "callback"
	}
	return out
}

func redrive(c *call, req api.RedriveRequest) (api.QueueChange, error) {
	if req.All == (len(req.IDs) > 0) {
		return api.QueueChange{}, fn.Mistake{Field: "ids", Reason: "give ids, or all: which letters go on their way"}
	}
	n, err := c.Calls.Redrive(c.r.Context(), c.ref, req.IDs...)
	return api.QueueChange{Count: n}, err
}

func purge(c *call, req api.PurgeRequest) (api.QueueChange, error) {
	states := map[string][]queue.State{
		"": {queue.Buried}, "dead": {queue.Buried}, "waiting": {queue.Waiting},
		"all": {queue.Waiting, queue.Leased, queue.Buried},
	}[req.State]
	if states == nil {
		return api.QueueChange{}, fn.Mistake{Field: "state", Reason: fmt.Sprintf("%q is not dead, waiting or all", clip(req.State))}
	}
	var out api.QueueChange
	for _, state := range states {
		n, err := c.Calls.Purge(c.r.Context(), c.ref, state, req.IDs...)
		out.Count += n
		if err != nil && (len(states) == 1 || fn.KindOf(err) != fn.NotFound) {
			return out, err
		}
	}
	return out, nil
}

func cancelCall(c *call, _ none) (none, error) {
	return none{}, c.Calls.Cancel(c.r.Context(), c.r.PathValue("id"), func(ref fn.Ref) error {
		if auth.Allow(c.who, auth.Write, ref.Namespace) {
			return nil
		}
		c.ref = ref
		return c.denied()
	})
}
