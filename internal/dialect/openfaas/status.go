package openfaas

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// statusOf describes a function.
func statusOf(v control.View, calls uint64) status {
	s := status{
		Name: v.Name, Namespace: namespaceOut(v.Namespace),
		settings: settings{
			Image: v.Spec.Image, Secrets: v.Spec.Secrets,
			Labels: map[string]string{}, Annotations: map[string]string{},
		},
		Calls: calls, Replicas: wanted(v), Available: v.Replicas.Ready + v.Replicas.Busy + v.Replicas.Frozen,
		Created: v.Created,
	}
	if s.Image == "" {
		s.Image = localImage(v)
	}
	maps.Copy(s.Labels, v.Labels)
	s.Labels[nameLabel] = v.Name
	for key, value := range v.Annotations {
		if !strings.HasPrefix(key, Kept) {
			s.Annotations[key] = value
		}
	}
	if k := keptOf(v.Annotations); k != nil {
		s.recall(k, v.Spec)
	} else {
		s.describe(v.Spec)
	}
	return s
}

// wanted is how many instances there are to be, at once after it was said.
// Traffic may want more than was said; those that start then are not counted,
// for they may be what was not wanted any more.
func wanted(v control.View) int {
	r := v.Replicas
	there := r.Ready + r.Busy + r.Frozen
	if n := v.Function.Replicas; n != nil {
		return max(*n, there)
	}
	return max(v.Spec.Scale.Min, there+r.Starting)
}

// recall fills in what this dialect was told, in the words it was told in.
func (s *status) recall(k *kept, spec fn.Spec) {
	s.Constraints, s.Requests, s.ReadOnly = k.Constraints, k.Requests, k.ReadOnly
	if k.Limits != nil {
		limits := *k.Limits // what another dialect has changed since is told as it is
		if n, err := memoryOf(limits.Memory); limits.Memory != "" && (err != nil || n != spec.Limits.Memory) {
			limits.Memory = fn.FormatBytes(spec.Limits.Memory)
		}
		if n, err := cpuOf(limits.CPU); limits.CPU != "" && (err != nil || n != spec.Limits.CPU) {
			limits.CPU = fn.FormatCPU(spec.Limits.CPU)
		}
		s.Limits = &limits
	}
	env := make(map[string]string, len(k.Env))
	for _, name := range k.Env {
		if value, ok := spec.Env[name]; ok {
			env[name] = value
		}
	}
	if k.Process != "" && spec.Env[processEnv] == k.Process {
		s.Process = k.Process
		if k.Fprocess != nil {
			env[processEnv] = *k.Fprocess
		}
	}
	s.Env = env
}

// describe fills in what a function of another dialect is.
func (s *status) describe(spec fn.Spec) {
	s.Env = spec.Env
	s.Limits = &resources{Memory: fn.FormatBytes(spec.Limits.Memory), CPU: fn.FormatCPU(spec.Limits.CPU)}
}

// localRegistry begins the images of functions that have none: deployed from
// source, they are known by the revision that serves.
const localRegistry = "rouse.local/"

func localImage(v control.View) string {
	number, weight := v.Latest, -1
	for _, t := range v.Traffic {
		if t.Weight > weight {
			number, weight = t.Revision, t.Weight
		}
	}
	return fmt.Sprintf("%s%s/%s:%d", localRegistry, v.Namespace, v.Name, number)
}

// revisionOf reads the image of a revision; ok is false if it is another kind
// of image.
func revisionOf(image string) (rev fn.RevisionRef, ok bool, err error) {
	path, ok := strings.CutPrefix(image, localRegistry)
	if !ok {
		return rev, false, nil
	}
	namespace, rest, _ := strings.Cut(path, "/")
	name, tag, _ := strings.Cut(rest, ":")
	rev.Namespace, rev.Name = namespaceIn(namespace), name
	if rev.Number, err = strconv.Atoi(tag); err != nil || rev.Number < 1 || namespace == "" || fn.ValidateRef(rev.Ref) != nil {
		return rev, true, fn.Mistake{Field: "image", Reason: clip(image) + " names no revision: write " + localRegistry + "NAMESPACE/NAME:REVISION"}
	}
	return rev, true, nil
}
