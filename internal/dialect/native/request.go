package native

import (
	"errors"
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// deployOf reads a deploy request. If anything in it cannot be read, the rest
// is validated too, so that the client sees all mistakes at once; otherwise
// that is left to Control, which knows the server's defaults.
func deployOf(ref fn.Ref, req api.DeployRequest) (control.Deploy, error) {
	var ms fn.Mistakes
	d := control.Deploy{
		Ref: ref, Spec: readSpec(&ms, req.Spec), Labels: req.Labels, Annotations: req.Annotations,
		Source: req.Source, Artifact: req.Artifact, Revision: req.Revision, Image: req.Image,
	}
	given := 0
	for _, from := range []struct{ field, digest string }{{"source", req.Source}, {"artifact", req.Artifact}} {
		if from.digest == "" {
			continue
		}
		given++
		if err := validDigest(from.field, from.digest); err != nil {
			ms = append(ms, err)
		}
	}
	if req.Revision != 0 {
		given++
		if req.Revision < 0 {
			ms.Add("revision", "must not be negative")
		}
	}
	if req.Image != "" {
		given++
		if _, err := fn.ParseImage(req.Image); err != nil {
			ms = append(ms, err)
		}
	}
	if given != 1 {
		ms.Add("source", "give exactly one of source, artifact, revision and image: what is to run")
	}
	if len(ms) == 0 {
		return d, nil
	}
	judged := d.Spec
	if judged.Runtime == "" && d.Image != "" {
		judged.Runtime = "image" // what the reference stands for says which
	}
	judged.Policy = judged.Policy.WithDefaults(fn.Default())
	return d, errors.Join(ms.Err(), fn.ValidateSpec(judged),
		fn.ValidateLabels("labels", d.Labels), fn.ValidateLabels("annotations", d.Annotations))
}

// readSpec reads the quantities of a spec; "" is zero.
func readSpec(ms *fn.Mistakes, s api.Spec) fn.Spec {
	out := fn.Spec{Runtime: s.Runtime, Handler: s.Handler, Command: s.Command, Mode: fn.Mode(s.Mode), Env: s.Env, Image: s.Image, Secrets: s.Secrets}
	out.Network = fn.Network(s.Network)
	out.Limits = fn.Limits{
		Memory: quantity(ms, "limits.memory", s.Limits.Memory, fn.ParseBytes),
		CPU:    quantity(ms, "limits.cpu", s.Limits.CPU, fn.ParseCPU),
		Pids:   s.Limits.Pids,
		Tmp:    quantity(ms, "limits.tmp", s.Limits.Tmp, fn.ParseBytes),
	}
	out.Limits.Timeout = quantity(ms, "limits.timeout", s.Limits.Timeout, fn.ParseDuration)
	out.Limits.Start = quantity(ms, "limits.start", s.Limits.Start, fn.ParseDuration)
	out.Scale = fn.Scale{
		Min: s.Scale.Min, Max: s.Scale.Max, Concurrency: s.Scale.Concurrency, Target: s.Scale.Target,
		RPS: s.Scale.RPS, Queue: s.Scale.Queue,
		Idle:   quantity(ms, "scale.idle", s.Scale.Idle, fn.ParseDuration),
		Metric: fn.Metric(s.Scale.Metric), Goal: s.Scale.Goal, Activation: s.Scale.Activation,
		Window: quantity(ms, "scale.window", s.Scale.Window, fn.ParseDuration),
	}
	if s.Scale.Freeze == never {
		out.Scale.Freeze = -1
	} else {
		out.Scale.Freeze = quantity(ms, "scale.freeze", s.Scale.Freeze, fn.ParseDuration)
	}
	return out
}

// quantity reads a value that, if given, must be more than zero.
func quantity[T int | int64 | time.Duration](ms *fn.Mistakes, field, s string, parse func(string) (T, error)) T {
	if s == "" {
		return 0
	}
	v, err := parse(s)
	switch {
	case err != nil:
		ms.Add(field, "%v", err)
		return 0
	case v <= 0:
		ms.Add(field, "must be more than 0, got %s", clip(s))
		return 0
	}
	return v
}
