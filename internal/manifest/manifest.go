package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
)

// FileName is the name a manifest has in a function's folder.
const FileName = "rouse.yaml"

// Bounds of a manifest.
const (
	MaxBytes     = 1 << 20
	MaxFunctions = 1000
)

// Function is one function of a manifest.
type Function struct {
	fn.Ref                        // Namespace is "" if the manifest names none
	Labels      map[string]string // nil if none
	Annotations map[string]string // nil if none
	Source      string            // slash-separated folder relative to the manifest's own, "." by default
	Spec        fn.Spec           // as written: a zero field means the default
	Line        int               // where it begins, from 1
}

// Parse reads a manifest: the fields of one function, or a "functions" list
// of them (with an optional "namespace" for all). It returns at least one
// function, or an Invalid error that joins every mistake as an fn.Mistake
// whose Field begins with the line: "line 7: limits.memory".
func Parse(data []byte) ([]Function, error) {
	if len(data) > MaxBytes {
		return nil, fn.Errorf(fn.TooLarge, "the manifest has %d bytes, at most %s are read", len(data), fn.FormatBytes(MaxBytes))
	}
	root, err := document(data)
	if err != nil {
		return nil, err
	}
	r := &reader{}
	list := r.file(root)
	if err := r.mistakes.Err(); err != nil {
		return nil, err
	}
	return list, nil
}

// document returns the top node of the only document in data.
func document(data []byte) (*yaml.Node, error) {
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, fn.WithHint(fn.Errorf(fn.Invalid, "the manifest is empty"), "write at least a name and a runtime")
	case err != nil:
		return nil, fn.Errorf(fn.Invalid, "the manifest is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		return nil, fn.WithHint(fn.Errorf(fn.Invalid, "line %d: the manifest holds a second document", more.Line),
			"put several functions in one list: functions: [...]")
	case !errors.Is(err, io.EOF):
		return nil, fn.Errorf(fn.Invalid, "the manifest is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, fn.Errorf(fn.Invalid, "the manifest is empty")
	}
	return doc.Content[0], nil
}

// file reads the whole manifest from its top node.
func (r *reader) file(root *yaml.Node) []Function {
	list := child(root, "functions")
	if list == nil {
		return []Function{r.function(root, "")}
	}
	var namespace string
	var out []Function
	r.mapping(root, "", map[string]setter{
		"namespace": r.text(&namespace),
		"functions": func(n *yaml.Node, path string) {
			if n.Kind != yaml.SequenceNode || len(n.Content) == 0 || len(n.Content) > MaxFunctions {
				r.add(n, path, "must be a list of 1 to %d functions", MaxFunctions)
				return
			}
			for i, item := range n.Content {
				out = append(out, r.function(item, fmt.Sprintf("%s[%d].", path, i)))
			}
		},
	})
	seen := map[fn.Ref]int{}
	for i := range out {
		if out[i].Namespace == "" {
			out[i].Namespace = namespace
		}
		if first, ok := seen[out[i].Ref]; ok && out[i].Name != "" {
			r.addLine(out[i].Line, fmt.Sprintf("functions[%d].name", i), "%q is already the name of the function at line %d", out[i].Name, first)
		}
		seen[out[i].Ref] = out[i].Line
	}
	if namespace != "" {
		r.check("", root.Line, fn.ValidateName("namespace", namespace))
	}
	return out
}

// child returns the value of key in a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
