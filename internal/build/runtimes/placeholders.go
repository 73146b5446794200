package runtimes

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"strings"

	"rouse.dev/rouse/internal/fn"
)

// maxProbe bounds how much of a source file is looked at.
const maxProbe = 1 << 20

// Values replace placeholders: {{name}} becomes Values[name]; a name that is
// not there stays as it is.
type Values map[string]string

// In returns text with the placeholders replaced.
func (v Values) In(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, closed := strings.Cut(rest, "}}")
		value, known := v[name]
		if !closed || !known {
			out.WriteString("{{")
			text = rest
			continue
		}
		out.WriteString(value)
		text = after
	}
}

// All replaces in every word.
func (v Values) All(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = v.In(w)
	}
	return out
}

// Map replaces in every value.
func (v Values) Map(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, w := range m {
		out[k] = v.In(w)
	}
	return out
}

// With returns v and more.
func (v Values) With(more Values) Values {
	out := maps.Clone(v)
	maps.Copy(out, more)
	return out
}

// values are the placeholders that come from the source alone.
func (r *Runtime) values(source fs.FS, handler string) (Values, error) {
	v := Values{"handler": handler, "handler_path": ""}
	if dir := path.Dir(handler); dir != "." {
		v["handler_path"] = "/" + dir
	}
	for name, from := range r.Vars {
		v[name] = from.Default
		text, err := probe(source, from.File)
		if err != nil {
			return nil, err
		}
		if m := regexp.MustCompile(from.Text).FindSubmatch(text); m != nil {
			if bytes.ContainsAny(m[1], "\"'`\\\n") {
				return nil, fn.Errorf(fn.Invalid, "%s: %q cannot be the %s", from.File, m[1], name)
			}
			v[name] = string(m[1])
		}
	}
	return v, nil
}

// probe reads the beginning of a source file; nothing if there is none.
func probe(source fs.FS, name string) ([]byte, error) {
	f, err := source.Open(path.Clean(name))
	if err != nil {
		return nil, nil //nolint:nilerr // a file that cannot be opened holds nothing
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fn.Errorf(fn.Invalid, "%s is not a file", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxProbe))
	if err != nil {
		return nil, fn.Errorf(fn.Internal, "reading %s: %w", name, err)
	}
	return data, nil
}
