package manifest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/yamlfield"
)

// reader walks YAML nodes and collects mistakes.
type reader struct {
	mistakes fn.Mistakes
	lines    map[string]int // line of every field seen, by path
}

// setter reads one field's value; path is the field's full path.
type setter func(n *yaml.Node, path string)

func (r *reader) add(n *yaml.Node, path, format string, args ...any) {
	r.addLine(n.Line, path, format, args...)
}

func (r *reader) addLine(line int, path, format string, args ...any) {
	field := fmt.Sprintf("line %d", line)
	if path != "" {
		field += ": " + path
	}
	r.mistakes.Add(field, format, args...)
}

// check adds every fn.Mistake of err at the line its field was seen, line if
// the field was left out.
func (r *reader) check(prefix string, line int, err error) {
	for _, m := range fn.MistakesOf(err) {
		at := line
		for p := prefix + m.Field; p != ""; p = p[:max(0, strings.LastIndexAny(p, ".["))] {
			if l, ok := r.lines[p]; ok {
				at = l
				break
			}
		}
		r.addLine(at, prefix+m.Field, "%s", m.Reason)
	}
}

// mapping reads the fields of a mapping. Unknown and repeated fields are
// mistakes; a null value counts as left out.
func (r *reader) mapping(n *yaml.Node, prefix string, fields map[string]setter) {
	if n.Kind != yaml.MappingNode {
		r.add(n, strings.TrimSuffix(prefix, "."), "must hold fields, like this: {%s: ...}", yamlfield.First(fields))
		return
	}
	if r.lines == nil {
		r.lines = map[string]int{}
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], yamlfield.Resolve(n.Content[i+1])
		name := key.Value
		set, known := fields[name]
		switch line, again := seen[name]; {
		case key.Kind != yaml.ScalarNode:
			r.add(key, strings.TrimSuffix(prefix, "."), "has a field whose name is not text")
		case again:
			r.add(key, prefix+name, "is already given at line %d", line)
		case !known:
			r.add(key, prefix+yamlfield.Clip(name), "is not a known field%s", suggest(name, fields))
		default:
			r.lines[prefix+name] = key.Line
			if value.Tag != "!!null" {
				set(value, prefix+name)
			}
		}
		seen[name] = key.Line
	}
}

// section reads a mapping that is a field itself.
func (r *reader) section(fields map[string]setter) setter {
	return func(n *yaml.Node, path string) { r.mapping(n, path+".", fields) }
}

// text reads a scalar as it is written: 8080 and true are text too.
func (r *reader) text(dst *string) setter {
	return func(n *yaml.Node, path string) {
		if s, ok := r.scalar(n, path); ok {
			*dst = s
		}
	}
}

func (r *reader) scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		r.add(n, path, "must be text")
		return "", false
	}
	return n.Value, true
}

// texts reads a mapping of text to text.
func (r *reader) texts(dst *map[string]string) setter {
	return func(n *yaml.Node, path string) {
		if n.Kind != yaml.MappingNode {
			r.add(n, path, "must hold names with values, like this: {name: value}")
			return
		}
		out := make(map[string]string, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], yamlfield.Resolve(n.Content[i+1])
			sub := path + "." + yamlfield.Clip(key.Value)
			if _, again := out[key.Value]; again {
				r.add(key, sub, "is given twice")
				continue
			}
			r.lines[path+"."+key.Value] = key.Line
			if value.Tag == "!!null" {
				out[key.Value] = ""
			} else if s, ok := r.scalar(value, sub); ok {
				out[key.Value] = s
			}
		}
		*dst = out
	}
}

// words reads a list of arguments.
func (r *reader) words(dst *[]string) setter {
	return r.list(dst, `["./serve", "--fast"] (no shell splits it)`)
}

// list reads a list of text.
func (r *reader) list(dst *[]string, example string) setter {
	return func(n *yaml.Node, path string) {
		if n.Kind != yaml.SequenceNode {
			r.add(n, path, "must be a list of words, like this: %s", example)
			return
		}
		for i, item := range n.Content {
			if s, ok := r.scalar(yamlfield.Resolve(item), fmt.Sprintf("%s[%d]", path, i)); ok {
				*dst = append(*dst, s)
			}
		}
	}
}

// network takes YAML's booleans too: "off" without quotes is one in old YAML.
func (r *reader) network(dst *fn.Network) setter {
	return func(n *yaml.Node, path string) {
		s, _ := r.scalar(n, path)
		switch s {
		case "true":
			s = string(fn.NetworkOn)
		case "false":
			s = string(fn.NetworkOff)
		}
		*dst = fn.Network(s)
	}
}

// quantity reads a value that, if given, must be more than zero; a negative
// one from parse means "never" and passes.
func quantity[T int | int64 | time.Duration](r *reader, dst *T, parse func(string) (T, error)) setter {
	return func(n *yaml.Node, path string) {
		s, ok := r.scalar(n, path)
		if !ok {
			return
		}
		v, err := parse(s)
		switch {
		case err != nil:
			r.add(n, path, "%s", err)
		case v == 0 || v < 0 && s != never:
			r.add(n, path, "must be more than 0, got %s", yamlfield.Clip(s))
		default:
			*dst = v
		}
	}
}

// number reads an int that may be zero; fn judges the rest.
func number(r *reader, dst *int) setter {
	return func(n *yaml.Node, path string) {
		if s, ok := r.scalar(n, path); ok {
			v, err := parseInt(s)
			if err != nil {
				r.add(n, path, "%s", err)
			}
			*dst = v
		}
	}
}

// decimal reads a number that need not be whole, and must be more than zero.
func (r *reader) decimal(dst *float64) setter {
	return func(n *yaml.Node, path string) {
		s, ok := r.scalar(n, path)
		if !ok {
			return
		}
		v, err := strconv.ParseFloat(s, 64)
		switch {
		case err != nil || math.IsNaN(v):
			r.add(n, path, "%q is not a number", yamlfield.Clip(s))
		case v <= 0:
			r.add(n, path, "must be more than 0, got %s", yamlfield.Clip(s))
		default:
			*dst = v
		}
	}
}

func parseInt(s string) (int, error) {
	v, err := strconv.Atoi(s)
	if err != nil || v > 1<<31-1 || v < -1<<31 {
		return 0, fn.Errorf(fn.Invalid, "%q is not a whole number", yamlfield.Clip(s))
	}
	return v, nil
}

// never as scale.freeze keeps idle instances unfrozen.
const never = "never"

func parseFreeze(s string) (time.Duration, error) {
	if s == never {
		return -1, nil
	}
	return fn.ParseDuration(s)
}

// suggest names the known field nearest to a misspelt one.
func suggest(name string, fields map[string]setter) string {
	best := yamlfield.Nearest(name, fields, 2)
	if best == "" {
		return ": there are " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
	}
	return fmt.Sprintf(": did you mean %q?", best)
}
