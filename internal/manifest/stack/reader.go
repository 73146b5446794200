package stack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/yamlfield"
)

// reader walks YAML nodes and collects what is wrong.
type reader struct {
	mistakes fn.Mistakes
	at       []int // line of each mistake
	warnings []string
	left     int // values that may still be read
}

// setter reads one field's value; path is the field's full path.
type setter func(n *yaml.Node, path string)

// entry is one field of a mapping, its alias followed.
type entry struct{ key, value *yaml.Node }

// document returns the top node of the first document in data. More documents
// are passed over with a warning, as faas-cli does without one.
func (r *reader) document(data []byte, what string) (*yaml.Node, error) {
	if len(data) > MaxBytes {
		return nil, fn.Errorf(fn.TooLarge, "%s has more than %s", what, fn.FormatBytes(MaxBytes))
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, fn.Errorf(fn.Invalid, "%s is empty", what)
	} else if err != nil {
		return nil, fn.Errorf(fn.Invalid, "%s is not YAML: %s", what, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, fn.Errorf(fn.Invalid, "%s is empty", what)
	}
	if dec.Decode(&more) == nil {
		r.warn(more.Line, "", "a second document, it is not read")
	}
	return doc.Content[0], nil
}

func (r *reader) add(line int, path, format string, args ...any) {
	r.mistakes.Add(place(line, path), format, args...)
	r.at = append(r.at, line)
}

// err returns all mistakes in the order of their lines; nil if there are none.
func (r *reader) err() error {
	order := make([]int, len(r.mistakes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return r.at[a] - r.at[b] })
	var sorted fn.Mistakes
	for _, i := range order {
		sorted = append(sorted, r.mistakes[i])
	}
	return sorted.Err()
}

func (r *reader) warn(line int, path, format string, args ...any) {
	r.warnings = append(r.warnings, place(line, path)+": "+fmt.Sprintf(format, args...))
}

func place(line int, path string) string {
	if path == "" {
		return fmt.Sprintf("line %d", line)
	}
	return fmt.Sprintf("line %d: %s", line, path)
}

// entries lists the fields of a mapping, those of merge keys included, and
// counts them: a file of aliases to aliases ends where the count does.
func (r *reader) entries(n *yaml.Node, path, example string) []entry {
	if n.Kind != yaml.MappingNode {
		r.add(n.Line, path, "must hold %s", example)
		return nil
	}
	var out, merged []entry
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content) && r.take(n, path); i += 2 {
		key, value := n.Content[i], yamlfield.Resolve(n.Content[i+1])
		switch line := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			r.add(key.Line, path, "has a field whose name is not text")
		case key.Tag == "!!merge":
			merged = append(merged, r.merged(value, path)...)
		case line > 0:
			r.add(key.Line, path+"."+yamlfield.Clip(key.Value), "is already given at line %d", line)
		default:
			seen[key.Value] = key.Line
			out = append(out, entry{key, value})
		}
	}
	for _, e := range merged { // what is written here wins, then the first
		if seen[e.key.Value] == 0 {
			seen[e.key.Value] = e.key.Line
			out = append(out, e)
		}
	}
	return out
}

// merged lists the fields a merge key brings: of a mapping or a list of them.
func (r *reader) merged(n *yaml.Node, path string) []entry {
	if n.Kind != yaml.SequenceNode {
		return r.entries(n, path, "fields, to be merged")
	}
	var out []entry
	for _, item := range n.Content {
		if !r.take(n, path) {
			break
		}
		out = append(out, r.entries(yamlfield.Resolve(item), path, "fields, to be merged")...)
	}
	return out
}

// take counts one value read.
func (r *reader) take(n *yaml.Node, path string) bool {
	r.left--
	if r.left == 0 {
		r.add(n.Line, path, "the file holds more than %d values, aliases included", maxNodes)
	}
	return r.left > 0
}

// mapping reads the fields of a mapping and returns their lines. A key that
// is not known is a warning, a null value counts as left out.
func (r *reader) mapping(n *yaml.Node, prefix string, fields map[string]setter) map[string]int {
	lines := map[string]int{}
	for _, e := range r.entries(n, strings.TrimSuffix(prefix, "."), "fields, like this: {"+yamlfield.First(fields)+": ...}") {
		name := e.key.Value
		set, known := fields[name]
		if !known {
			r.warn(e.key.Line, prefix+yamlfield.Clip(name), "is not known and passed over%s", suggest(name, fields))
			continue
		}
		lines[name] = e.key.Line
		if e.value.Tag != "!!null" {
			set(e.value, prefix+name)
		}
	}
	return lines
}

func (r *reader) section(fields map[string]setter) setter {
	return func(n *yaml.Node, path string) { r.mapping(n, path+".", fields) }
}

// unused takes a key that faas-cli once had.
func (r *reader) unused(n *yaml.Node, path string) { r.warn(n.Line, path, "has no meaning here") }

// text reads a scalar as it is written: 8080 and true are text too.
func (r *reader) text(dst *string) setter {
	return func(n *yaml.Node, path string) {
		if n.Kind != yaml.ScalarNode {
			r.add(n.Line, path, "must be text")
			return
		}
		*dst = n.Value
	}
}

func (r *reader) flag(dst *bool) setter {
	return func(n *yaml.Node, path string) {
		if err := n.Decode(dst); err != nil || n.Kind != yaml.ScalarNode {
			r.add(n.Line, path, "must be true or false")
		}
	}
}

// texts reads a mapping of scalars to text.
func (r *reader) texts(dst *map[string]string) setter {
	return func(n *yaml.Node, path string) {
		out := map[string]string{}
		for _, e := range r.entries(n, path, "names with values, like this: {name: value}") {
			var s string
			if e.value.Tag != "!!null" {
				r.text(&s)(e.value, path+"."+yamlfield.Clip(e.key.Value))
			}
			out[e.key.Value] = s
		}
		*dst = out
	}
}

// words reads a list of text.
func (r *reader) words(dst *[]string) setter {
	return r.each(func(n *yaml.Node, path string) {
		var s string
		r.text(&s)(n, path)
		*dst = append(*dst, s)
	})
}

// each reads a list.
func (r *reader) each(read setter) setter {
	return func(n *yaml.Node, path string) {
		if n.Kind != yaml.SequenceNode {
			r.add(n.Line, path, "must be a list")
			return
		}
		for i, item := range n.Content {
			if !r.take(n, path) {
				return
			}
			read(yamlfield.Resolve(item), fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

// suggest names the known field nearest to a misspelt one, "" if none is near.
func suggest(name string, fields map[string]setter) string {
	best := yamlfield.Nearest(name, fields, 3)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}
