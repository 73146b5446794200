package nativetest

import (
	"context"
	"io"
	"iter"
	"strings"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// Print adds a line to a function's log, as if an instance had printed it.
func (f *Fake) Print(ref fn.Ref, call, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fun, err := f.getLocked(ref)
	if err != nil {
		return
	}
	fun.log = append(fun.log, control.LogLine{
		Time: Epoch, Stream: "stdout", Revision: fun.view.Latest, Instance: ref.Name + "-1", Call: call, Text: text,
	})
	f.changedLocked()
}

func (f *Fake) built(ref fn.Ref, output string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.builds[ref] = output
}

// BuildOutput implements native.Observer.
func (f *Fake) BuildOutput(_ context.Context, ref fn.Ref) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	output, ok := f.builds[ref]
	if !ok {
		return nil, fn.WithHint(fn.Errorf(fn.NotFound, "no build of %s is on record", ref), "rouse deploy builds it")
	}
	return io.NopCloser(strings.NewReader(output)), nil
}

// Logs implements native.Observer.
func (f *Fake) Logs(ctx context.Context, ref fn.Ref, q control.LogQuery) iter.Seq2[control.LogLine, error] {
	return func(yield func(control.LogLine, error) bool) {
		at, first := 0, true
		for {
			f.mu.Lock()
			fun, err := f.getLocked(ref)
			if err != nil {
				f.mu.Unlock()
				if first {
					yield(control.LogLine{}, err)
				}
				return
			}
			fresh, grown := pick(fun.log[at:], q), f.grown
			at = len(fun.log)
			f.mu.Unlock()
			if first {
				fresh = tail(fresh, q.Tail)
			}
			first = false
			for _, line := range fresh {
				if !yield(line, nil) {
					return
				}
			}
			if !q.Follow {
				return
			}
			select {
			case <-grown:
			case <-ctx.Done():
				return
			}
		}
	}
}

func pick(log []control.LogLine, q control.LogQuery) []control.LogLine {
	var out []control.LogLine
	for _, line := range log {
		if (q.Call == "" || q.Call == line.Call) && !line.Time.Before(q.Since) {
			out = append(out, line)
		}
	}
	return out
}

func tail(log []control.LogLine, n int) []control.LogLine {
	switch {
	case n < 0:
		return nil
	case n == 0 || n > len(log):
		return log
	}
	return log[len(log)-n:]
}
