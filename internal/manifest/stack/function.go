package stack

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/yamlfield"
)

// Dockerfile is the Lang of a function whose handler folder is the whole build
// context.
const Dockerfile = "dockerfile"

// function reads one function and lets fn judge what it has a rule for.
func (r *reader) function(e entry, at string) Function {
	f := Function{Name: e.key.Value, Line: e.key.Line}
	before := len(r.mistakes)
	seen := r.mapping(e.value, at+".", map[string]setter{
		"lang":                     r.text(&f.Lang),
		"handler":                  r.text(&f.Handler),
		"image":                    r.text(&f.Image),
		"namespace":                r.text(&f.Namespace),
		"fprocess":                 r.text(&f.FProcess),
		"environment":              r.texts(&f.Environment),
		"environment_file":         r.words(&f.EnvironmentFiles),
		"secrets":                  r.words(&f.Secrets),
		"labels":                   r.texts(&f.Labels),
		"annotations":              r.texts(&f.Annotations),
		"constraints":              r.words(&f.Constraints),
		"limits":                   r.resources(&f.Limits),
		"requests":                 r.resources(&f.Requests),
		"readonly_root_filesystem": r.flag(&f.ReadOnly),
		"skip_build":               r.flag(&f.SkipBuild),
		"build_options":            r.words(&f.BuildOptions),
		"build_args":               r.texts(&f.BuildArgs),
		"build_secrets":            r.texts(&f.BuildSecrets),
		"platforms":                r.text(&f.Platforms),
		"registry_auth":            r.unused,
		"network":                  r.unused,
	})
	if f.Handler != "" {
		f.Handler = r.local(seen["handler"], at+".handler", f.Handler)
	}
	if strings.EqualFold(f.Lang, Dockerfile) {
		f.Lang = Dockerfile
	}
	if len(r.mistakes) == before {
		r.judge(&f, at, seen)
	}
	return f
}

// judge finds what is wrong with a function that could be read.
func (r *reader) judge(f *Function, at string, seen map[string]int) {
	line := func(field string) int { return max(seen[field], f.Line) }
	r.check(f.Line, at, fn.ValidateName("", f.Name))
	if f.Namespace != "" {
		r.check(line("namespace"), at+".namespace", fn.ValidateName("", f.Namespace))
	}
	for i, s := range f.Secrets {
		r.check(line("secrets"), fmt.Sprintf("%s.secrets[%d]", at, i), fn.ValidateSecretName("", s))
	}
	r.check(line("labels"), at+".labels", fn.ValidateLabels("", f.Labels))
	r.check(line("annotations"), at+".annotations", fn.ValidateLabels("", f.Annotations))
	if f.Lang != "" && f.Lang != Dockerfile && !ValidTemplate(f.Lang) {
		r.add(line("lang"), at+".lang", "%q is not the name of a template", yamlfield.Clip(f.Lang))
	}
	for i, p := range f.EnvironmentFiles {
		f.EnvironmentFiles[i] = r.local(line("environment_file"), fmt.Sprintf("%s.environment_file[%d]", at, i), p)
	}
	switch {
	case f.Built() && f.Lang == "":
		r.add(f.Line, at+".lang", "is missing: name a template, or dockerfile")
	case f.SkipBuild && f.Image == "":
		r.add(line("skip_build"), at+".image", "is missing: with skip_build it says what to run")
	case !f.Built() && f.Image == "":
		r.add(f.Line, at+".handler", "is missing: name the function's folder, or an image")
	}
}

func (r *reader) resources(dst **Resources) setter {
	return func(n *yaml.Node, path string) {
		var v Resources
		r.mapping(n, path+".", map[string]setter{"memory": r.text(&v.Memory), "cpu": r.text(&v.CPU)})
		*dst = &v
	}
}

// local checks that a path stays below the project and cleans it. Paths in a
// stack file may come from elsewhere, so that none leads out of the project.
func (r *reader) local(line int, at, p string) string {
	clean := path.Clean(p)
	if p == "" || strings.ContainsAny(p, "\\\x00") || !filepath.IsLocal(filepath.FromSlash(clean)) {
		r.add(line, at, "%q must be a path in or below the project", yamlfield.Clip(p))
	}
	return clean
}

// check adds every mistake of err, its field replaced by at.
func (r *reader) check(line int, at string, err error) {
	for _, m := range fn.MistakesOf(err) {
		field := at
		if m.Field != "" {
			field = strings.TrimSuffix(at+"."+strings.TrimPrefix(m.Field, "."), ".")
		}
		r.add(line, field, "%s", m.Reason)
	}
}

// ValidTemplate says whether a name can be that of a template's folder: 1 to
// 100 of letters, digits and "-_.@+", not beginning with "." or "-".
func ValidTemplate(name string) bool {
	if name == "" || len(name) > 100 || name[0] == '.' || name[0] == '-' {
		return false
	}
	return strings.IndexFunc(name, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_.@+", c))
	}) < 0
}
