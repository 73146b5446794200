package control

import (
	"context"
	"iter"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/logs"
)

// Logs yields what a function printed, in order of time.
func (c *Controller) Logs(ctx context.Context, ref fn.Ref, q LogQuery) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		if _, _, err := c.get(ctx, ref); err != nil {
			yield(LogLine{}, err)
			return
		}
		query := logs.Query{Since: q.Since, Tail: q.Tail, Follow: q.Follow, Call: q.Call}
		for l, err := range c.cfg.Logs.Read(ctx, ref, query) {
			line := LogLine{
				Time: l.Time, Stream: l.Stream, Revision: l.Revision,
				Instance: l.Instance, Call: l.Call, Text: logs.Valid(l.Text),
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}
