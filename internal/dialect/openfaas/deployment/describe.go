package deployment

import (
	"maps"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// Describe says what a function is in the words of OpenFaaS: those it was
// deployed in, unless something has changed since, or it was not deployed in
// any.
func Describe(name string, spec fn.Spec, labels, annotations map[string]string) Settings {
	s := Settings{Image: spec.Image, Secrets: spec.Secrets, Labels: map[string]string{}, Annotations: map[string]string{}}
	maps.Copy(s.Labels, labels)
	s.Labels[nameLabel] = name
	for key, value := range annotations {
		if !strings.HasPrefix(key, Kept) {
			s.Annotations[key] = value
		}
	}
	if k := keptOf(annotations); k != nil {
		s.recall(k, spec)
	} else {
		s.describe(spec)
	}
	return s
}

// recall fills in what this dialect was told, in the words it was told in.
func (s *Settings) recall(k *kept, spec fn.Spec) {
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
func (s *Settings) describe(spec fn.Spec) {
	s.Env = spec.Env
	s.Limits = &Resources{Memory: fn.FormatBytes(spec.Limits.Memory), CPU: fn.FormatCPU(spec.Limits.CPU)}
}
