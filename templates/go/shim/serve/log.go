//go:build go1.23

package serve

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
)

// setLogger makes slog write lines that begin with the call's id, which Rouse
// tags them with: slog.InfoContext(ctx, "message", "key", value).
func setLogger(w io.Writer) {
	text := slog.NewTextHandler(io.Discard, nil)
	slog.SetDefault(slog.New(&logHandler{out: w, Handler: text}))
}

// logHandler prints "CALL-ID level message key=value" with the standard text
// handler doing the pairs.
type logHandler struct {
	slog.Handler
	out   io.Writer
	wraps []func(slog.Handler) slog.Handler
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	var line bytes.Buffer
	if id, _ := ctx.Value(callKey{}).(string); id != "" {
		line.WriteString(id + " ")
	}
	level := strings.ToLower(r.Level.String())
	if level == "warn" {
		level = "warning"
	}
	line.WriteString(level + " " + r.Message + " ")
	pairs := slog.Handler(slog.NewTextHandler(&line, &slog.HandlerOptions{ReplaceAttr: dropStandard}))
	for _, wrap := range h.wraps {
		pairs = wrap(pairs)
	}
	if err := pairs.Handle(ctx, r); err != nil {
		return err
	}
	_, err := h.out.Write(append(bytes.TrimRight(line.Bytes(), " \n"), '\n'))
	return err
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.with(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *logHandler) with(wrap func(slog.Handler) slog.Handler) slog.Handler {
	return &logHandler{Handler: h.Handler, out: h.out, wraps: append(h.wraps[:len(h.wraps):len(h.wraps)], wrap)}
}

// dropStandard leaves out what the line's beginning says already.
func dropStandard(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// complain logs what went wrong, one line at a time.
func complain(ctx context.Context, text string) {
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		slog.ErrorContext(ctx, line)
	}
}
