package cli

import (
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/fn"
)

// wireSpec writes a spec as the API has it; what is zero is left to the
// server.
func wireSpec(s fn.Spec) api.Spec {
	return api.Spec{
		Runtime: s.Runtime, Handler: s.Handler, Command: s.Command, Mode: string(s.Mode), Env: s.Env, Secrets: s.Secrets,
		Limits: api.Limits{
			Memory: unlessZero(s.Limits.Memory, fn.FormatBytes), CPU: unlessZero(s.Limits.CPU, fn.FormatCPU),
			Pids: s.Limits.Pids, Tmp: unlessZero(s.Limits.Tmp, fn.FormatBytes),
			Timeout: unlessZero(s.Limits.Timeout, span), Start: unlessZero(s.Limits.Start, span),
		},
		Scale: api.Scale{
			Min: s.Scale.Min, Max: s.Scale.Max, Concurrency: s.Scale.Concurrency, Target: s.Scale.Target,
			RPS: s.Scale.RPS, Queue: s.Scale.Queue, Metric: string(s.Scale.Metric), Goal: s.Scale.Goal,
			Activation: s.Scale.Activation, Window: unlessZero(s.Scale.Window, span),
			Freeze: unlessZero(s.Scale.Freeze, span), Idle: unlessZero(s.Scale.Idle, span),
		},
		Network: string(s.Network),
	}
}

func unlessZero[T int | int64 | time.Duration](v T, format func(T) string) string {
	if v == 0 {
		return ""
	}
	return format(v)
}

func span(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return d.String()
}
