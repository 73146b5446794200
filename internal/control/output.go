package control

import (
	"context"
	"io"
	"iter"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/logs"
)

// BuildOutput opens what the last build of a function printed, whether it
// worked or not: a function whose first build failed is not there, its output
// is. The caller closes it.
func (c *Controller) BuildOutput(ctx context.Context, ref fn.Ref) (io.ReadCloser, error) {
	if err := c.namespaceExists(ctx, ref.Namespace); err != nil {
		return nil, err
	}
	err := fn.Errorf(fn.NotFound, "no build of %s is on record", ref)
	if c.cfg.Builds != nil {
		var out io.ReadCloser
		if out, err = c.cfg.Builds.Last(ref); err == nil {
			return out, nil
		}
	}
	if fn.KindOf(err) == fn.NotFound {
		err = fn.WithHint(err, "rouse list shows what functions there are; rouse deploy builds one")
	}
	return nil, err
}

// Logs yields what a function printed, in order of time.
func (c *Controller) Logs(ctx context.Context, ref fn.Ref, q LogQuery) iter.Seq2[LogLine, error] {
	return func(yield func(LogLine, error) bool) {
		if _, _, err := c.get(ctx, ref); err != nil {
			yield(LogLine{}, err)
			return
		}
		query := logs.Query{Since: q.Since, Tail: q.Tail, Follow: q.Follow, Call: q.Call, Instance: q.Instance}
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
