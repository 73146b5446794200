package deployment

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// nameLabel is in the labels of every status: the function's name.
const nameLabel = "faas_function"

// processEnv is the variable that tells a watchdog what to run.
const processEnv = "fprocess"

// Meaning is what a deployment means.
type Meaning struct {
	Spec                fn.Spec // without a runtime unless a revision gave it: the image says it, or who builds the function
	Labels, Annotations map[string]string
	Remarks             []string // parts that are kept without having an effect
}

// Translate says what a deployment means, but for its name, which is the
// caller's to judge. base is the revision the image names, nil for an image of
// any other kind: what the deployment does not say stays as it is there. An
// Invalid error joins all mistakes of what cannot be read; what could be is
// returned all the same. Values that can be read are not judged, unless there
// is such an error to tell their mistakes with: the rest is for who deploys
// them, who knows more.
func Translate(req *Request, base *fn.Revision) (Meaning, error) {
	m := Meaning{Labels: maps.Clone(req.Labels)}
	delete(m.Labels, nameLabel)
	if base != nil {
		m.Spec = base.Spec
	}
	m.Spec.Image, m.Spec.Secrets = req.Image, req.Secrets
	k := keep(req)
	m.Spec.Env = maps.Clone(req.Env)
	if req.Process != "" {
		if m.Spec.Env == nil {
			m.Spec.Env = map[string]string{}
		}
		m.Spec.Env[processEnv] = req.Process
	}
	var ms fn.Mistakes
	readLimits(&ms, req, &m.Spec.Limits)
	l := labels{ms: &ms, of: req.Labels}
	l.scale(&m.Spec.Scale, base == nil, req.Env["max_inflight"])
	m.Annotations = annotationsOf(&ms, req.Annotations, k)
	if len(ms) > 0 {
		return m, errors.Join(ms.Err(), rest(m))
	}
	m.Remarks = append(l.remarks, k.remarks()...)
	return m, nil
}

// rest finds the mistakes in what could be read, so that all are told at once.
func rest(m Meaning) error {
	judged := m.Spec
	judged.Policy = judged.WithDefaults(fn.Default())
	if judged.Runtime == "" {
		judged.Runtime = "image" // it will say
	}
	return errors.Join(inWords(fn.ValidateSpec(judged)),
		fn.ValidateLabels("labels", m.Labels), fn.ValidateLabels("annotations", m.Annotations))
}

// inWords names the fields of a spec that is wrong as a deployment does.
func inWords(err error) error {
	var ms fn.Mistakes
	for _, m := range fn.MistakesOf(err) {
		switch {
		case m.Field == "env", strings.HasPrefix(m.Field, "env."):
			m.Field = "envVars" + strings.TrimPrefix(m.Field, "env")
		case m.Field == "limits.timeout":
			m.Field = "envVars.exec_timeout"
		}
		ms = append(ms, m)
	}
	return ms.Err()
}

// annotationsOf adds what is kept to the annotations a client sent.
func annotationsOf(ms *fn.Mistakes, sent map[string]string, k kept) map[string]string {
	out := k.annotations()
	for _, key := range slices.Sorted(maps.Keys(sent)) {
		if strings.HasPrefix(key, Kept) {
			ms.Add("annotations", "%s is a name of the platform's own", clip(key))
			continue
		}
		out[key] = sent[key]
	}
	return out
}

// clip shortens text of a deployment for an error.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:77], "") + "..."
	}
	return s
}
