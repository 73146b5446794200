package stack

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
)

// Entry is a new function of a stack file.
type Entry struct{ Name, Lang, Handler, Image string }

// Append adds a function to the text of a stack file, or makes one of nothing,
// and leaves every other line as it is. A name that is there is a Conflict.
func Append(text []byte, e Entry) ([]byte, error) {
	out, err := add(text, e)
	if err == nil && !holds(out, e) {
		err = fn.Errorf(fn.Invalid, "the stack file, or the new function's folder, is written in a way that nothing can be added")
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func add(text []byte, e Entry) ([]byte, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return []byte("version: 1.0\nprovider:\n  name: openfaas\n  gateway: " + DefaultGateway + "\nfunctions:\n" + e.text("  ")), nil
	}
	r := &reader{left: maxNodes}
	root, err := r.document(text, "the stack file")
	if err != nil {
		return nil, err
	}
	indent, line, err := placeFor(root, e.Name)
	if err != nil {
		return nil, err
	}
	lines := strings.SplitAfter(string(text), "\n")
	at := len(lines)
	if line > 0 {
		at = line - 1
	}
	for at > 0 && gap(lines[at-1]) {
		at--
	}
	before := strings.Join(lines[:at], "")
	if !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return []byte(before + e.text(indent) + strings.Join(lines[at:], "")), nil
}

// gap says whether a line is empty or a remark that belongs to what follows.
func gap(line string) bool {
	return strings.TrimSpace(line) == "" || line[0] == '#'
}

// placeFor finds how far the functions are indented and the line of the key that
// follows them; 0 if they end the file.
func placeFor(root *yaml.Node, name string) (indent string, line int, err error) {
	if root.Kind != yaml.MappingNode {
		return "", 0, fn.Errorf(fn.Invalid, "the stack file has no fields")
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		functions := root.Content[i+1]
		if root.Content[i].Value != "functions" {
			continue
		}
		if functions.Kind != yaml.MappingNode || functions.Style&yaml.FlowStyle != 0 || len(functions.Content) == 0 {
			break
		}
		for j := 0; j < len(functions.Content); j += 2 {
			if functions.Content[j].Value == name {
				return "", 0, fn.Errorf(fn.Conflict, "the stack file has a function %s already, at line %d", name, functions.Content[j].Line)
			}
		}
		if i+2 < len(root.Content) {
			line = root.Content[i+2].Line
		}
		return strings.Repeat(" ", functions.Content[0].Column-1), line, nil
	}
	return "", 0, fn.Errorf(fn.Invalid, "the stack file has no list of functions to add to")
}

// holds says whether text can be read and has the function.
func holds(text []byte, e Entry) bool {
	var f struct {
		Functions map[string]struct{ Lang, Handler, Image string }
	}
	err := yaml.Unmarshal(text, &f)
	got, ok := f.Functions[e.Name]
	return err == nil && ok && Entry{e.Name, got.Lang, got.Handler, got.Image} == Entry{e.Name, e.Lang, "./" + e.Handler, e.Image}
}

func (e Entry) text(indent string) string {
	return fmt.Sprintf("%[1]s%[2]s:\n%[1]s  lang: %[3]s\n%[1]s  handler: ./%[4]s\n%[1]s  image: %[5]s\n", indent, e.Name, e.Lang, e.Handler, e.Image)
}
