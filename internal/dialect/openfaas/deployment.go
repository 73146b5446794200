package openfaas

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// nameLabel is in the labels of every status: the function's name.
const nameLabel = "faas_function"

// processEnv is the variable that tells a watchdog what to run.
const processEnv = "fprocess"

// deployOf translates a deployment. base is the revision the image names, nil
// for an image of any other kind: what the deployment does not say stays as it
// is there. remarks are what is kept without being used.
func deployOf(ref fn.Ref, req *deployment, base *fn.Revision) (d control.Deploy, remarks []string, err error) {
	d = control.Deploy{Ref: ref, Labels: maps.Clone(req.Labels)}
	delete(d.Labels, nameLabel)
	if base == nil {
		d.Image = req.Image
	} else {
		d.Revision, d.Spec = base.Number, base.Spec
	}
	d.Spec.Image, d.Spec.Secrets = req.Image, req.Secrets
	k := keep(req)
	d.Spec.Env = maps.Clone(req.Env)
	if req.Process != "" {
		if d.Spec.Env == nil {
			d.Spec.Env = map[string]string{}
		}
		d.Spec.Env[processEnv] = req.Process
	}
	var ms fn.Mistakes
	readLimits(&ms, req, &d.Spec.Limits)
	l := labels{ms: &ms, of: req.Labels}
	l.scale(&d.Spec.Scale, base == nil, req.Env["max_inflight"])
	d.Annotations = annotationsOf(&ms, req.Annotations, k)
	remarks = append(l.remarks, k.remarks()...)
	if len(ms) == 0 {
		return d, remarks, nil // the rest is checked by Control, which knows more
	}
	return d, nil, errors.Join(ms.Err(), rest(d))
}

// rest finds the mistakes in what could be read, so that all are told at once.
func rest(d control.Deploy) error {
	judged := d.Spec
	judged.Policy = judged.WithDefaults(fn.Default())
	if judged.Runtime == "" {
		judged.Runtime = "image" // it will say
	}
	return errors.Join(inWords(fn.ValidateSpec(judged)),
		fn.ValidateLabels("labels", d.Labels), fn.ValidateLabels("annotations", d.Annotations), control.ValidateTriggers(d.Annotations))
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
