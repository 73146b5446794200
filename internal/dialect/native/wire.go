package native

import (
	"strings"
	"time"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

func functionOf(v control.View) api.Function {
	f := api.Function{
		Name: v.Name, Namespace: v.Namespace, Labels: v.Labels, Annotations: v.Annotations,
		Spec: specOf(v.Spec), Traffic: make([]api.Target, 0, len(v.Traffic)), Latest: v.Latest, Replicas: v.Function.Replicas,
		Status:  api.Status{State: stateOf(v), Replicas: api.Replicas(v.Replicas), URL: v.URL},
		Created: v.Created, Updated: v.Updated,
	}
	for _, t := range v.Traffic {
		f.Traffic = append(f.Traffic, api.Target(t))
	}
	if v.LastError != nil {
		f.Status.LastError = errorOf(v.LastError)
	}
	return f
}

// stateOf sums up how a function is doing in one word; see api.Status.
func stateOf(v control.View) string {
	r := v.Replicas
	switch {
	case r.Busy > 0:
		return "busy"
	case r.Ready > 0:
		return "ready"
	case r.Starting > 0:
		return "starting"
	case r.Frozen > 0:
		return "frozen"
	case v.LastError != nil:
		return "failing"
	case len(v.Traffic) == 0:
		return "pending"
	}
	return "asleep"
}

func revisionOf(rv control.RevisionView) api.Revision {
	return api.Revision{
		Function: rv.Name, Namespace: rv.Namespace, Number: rv.Number, Digest: rv.Digest,
		Artifact: rv.Artifact.Digest, Size: rv.Artifact.Size, Spec: specOf(rv.Spec),
		Weight: rv.Weight, Tag: rv.Tag, Replicas: api.Replicas(rv.Replicas), Created: rv.Created,
	}
}

func instanceOf(in control.InstanceView) api.Instance {
	return api.Instance{
		ID: in.ID, Revision: in.Revision.Number, State: in.State, InFlight: in.InFlight, Calls: in.Calls,
		Memory: in.Usage.Memory, CPU: in.Usage.CPU.Round(time.Millisecond).String(), Pids: in.Usage.Pids, Started: in.Started,
	}
}

func eventOf(e control.Event) api.DeployEvent {
	return api.DeployEvent{
		Step: e.Step, Line: text(e.Line), Done: e.Done, Cached: e.Cached, Ms: e.Took.Milliseconds(),
	}
}

func lineOf(l control.LogLine) *api.LogLine {
	return &api.LogLine{
		Time: l.Time, Stream: l.Stream, Revision: l.Revision, Instance: l.Instance, CallID: l.Call, Text: text(l.Text),
	}
}

// specOf writes a spec; a zero field stays empty.
func specOf(s fn.Spec) api.Spec {
	return api.Spec{
		Runtime: s.Runtime, Handler: s.Handler, Command: s.Command, Mode: string(s.Mode), Env: s.Env, Image: s.Image, Secrets: s.Secrets,
		Limits: api.Limits{
			Memory: bytesOf(s.Limits.Memory), CPU: cpuOf(s.Limits.CPU), Pids: s.Limits.Pids, Tmp: bytesOf(s.Limits.Tmp),
			Timeout: spanOf(s.Limits.Timeout), Start: spanOf(s.Limits.Start),
		},
		Scale: api.Scale{
			Min: s.Scale.Min, Max: s.Scale.Max, Concurrency: s.Scale.Concurrency, Target: s.Scale.Target,
			RPS: s.Scale.RPS, Metric: string(s.Scale.Metric), Goal: s.Scale.Goal, Activation: s.Scale.Activation,
			Window: spanOf(s.Scale.Window), Queue: s.Scale.Queue, Freeze: spanOf(s.Scale.Freeze), Idle: spanOf(s.Scale.Idle),
		},
		Network: string(s.Network),
	}
}

func bytesOf(n int64) string {
	if n == 0 {
		return ""
	}
	return fn.FormatBytes(n)
}

func cpuOf(m int) string {
	if m == 0 {
		return ""
	}
	return fn.FormatCPU(m)
}

// never as a time span says that something does not happen.
const never = "never"

// spanOf writes a time span without the zero parts: "5m", not "5m0s".
func spanOf(d time.Duration) string {
	switch {
	case d == 0:
		return ""
	case d < 0:
		return never
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
