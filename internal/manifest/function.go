package manifest

import (
	"errors"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
)

// function reads one function; prefix is "" or "functions[2].".
func (r *reader) function(n *yaml.Node, prefix string) Function {
	f := Function{Source: ".", Line: n.Line}
	before := len(r.mistakes)
	r.mapping(n, prefix, map[string]setter{
		"name":        r.text(&f.Name),
		"namespace":   r.text(&f.Namespace),
		"labels":      r.texts(&f.Labels),
		"annotations": r.texts(&f.Annotations),
		"source":      r.text(&f.Source),
		"runtime":     r.text(&f.Spec.Runtime),
		"handler":     r.text(&f.Spec.Handler),
		"command":     r.words(&f.Spec.Command),
		"mode":        r.text((*string)(&f.Spec.Mode)),
		"env":         r.texts(&f.Spec.Env),
		"secrets":     r.list(&f.Spec.Secrets, "[db-password, api-key]"),
		"network":     r.network(&f.Spec.Network),
		"limits":      r.limits(&f.Spec.Limits),
		"scale":       r.scale(&f.Spec.Scale),
	})
	if len(r.mistakes) == before || f.Spec.Runtime != "" || f.Name != "" {
		r.validate(prefix, &f)
	}
	f.Source = path.Clean(f.Source)
	return f
}

// validate lets fn judge what was read, with fn's defaults for what was not.
func (r *reader) validate(prefix string, f *Function) {
	judged := f.Spec
	judged.Policy = judged.Policy.WithDefaults(fn.Default())
	err := fn.ValidateSpec(judged)
	if f.Spec.Runtime == "" {
		err = errors.Join(fn.Mistake{Field: "runtime", Reason: "is missing: say which language it is, or exec for any program"}, without(err, "runtime"))
	}
	if f.Namespace != "" {
		err = errors.Join(fn.ValidateName("namespace", f.Namespace), err)
	}
	if f.Name == "" {
		err = errors.Join(fn.Mistake{Field: "name", Reason: "is missing"}, err)
	} else {
		err = errors.Join(fn.ValidateName("name", f.Name), err)
	}
	if s := f.Source; s == "" || strings.Contains(s, `\`) || !filepath.IsLocal(filepath.FromSlash(s)) {
		err = errors.Join(err, fn.Mistake{Field: "source", Reason: "must be a folder in or below the manifest's own"})
	}
	r.check(prefix, f.Line, errors.Join(err,
		fn.ValidateLabels("labels", f.Labels), fn.ValidateLabels("annotations", f.Annotations)))
}

// without drops the mistakes about one field.
func without(err error, field string) error {
	var kept fn.Mistakes
	for _, m := range fn.MistakesOf(err) {
		if m.Field != field {
			kept = append(kept, m)
		}
	}
	return kept.Err()
}

func (r *reader) limits(l *fn.Limits) setter {
	return r.section(map[string]setter{
		"memory":  quantity(r, &l.Memory, fn.ParseBytes),
		"cpu":     quantity(r, &l.CPU, fn.ParseCPU),
		"pids":    quantity(r, &l.Pids, parseInt),
		"tmp":     quantity(r, &l.Tmp, fn.ParseBytes),
		"timeout": quantity(r, &l.Timeout, fn.ParseDuration),
		"start":   quantity(r, &l.Start, fn.ParseDuration),
	})
}

func (r *reader) scale(s *fn.Scale) setter {
	return r.section(map[string]setter{
		"min":         number(r, &s.Min),
		"max":         quantity(r, &s.Max, parseInt),
		"concurrency": quantity(r, &s.Concurrency, parseInt),
		"target":      quantity(r, &s.Target, parseInt),
		"rps":         number(r, &s.RPS),
		"metric":      r.text((*string)(&s.Metric)),
		"goal":        r.decimal(&s.Goal),
		"activation":  quantity(r, &s.Activation, parseInt),
		"window":      quantity(r, &s.Window, fn.ParseDuration),
		"queue":       quantity(r, &s.Queue, parseInt),
		"freeze":      quantity(r, &s.Freeze, parseFreeze),
		"idle":        quantity(r, &s.Idle, fn.ParseDuration),
	})
}
