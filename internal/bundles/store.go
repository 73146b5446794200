package bundles

import (
	"bytes"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
)

// Function is what the store says of one function.
type Function struct {
	Name        string    `yaml:"-"`
	Image       string    `yaml:"-"` // reference it is deployed by
	Runtime     string    `yaml:"-"`
	Icon        []byte    `yaml:"-"` // SVG
	Title       string    `yaml:"title"`
	Description string    `yaml:"description"`
	Examples    []Example `yaml:"examples"`
}

// Author is who wrote the functions of the store.
const Author = "Rouse"

// Example is a call and what it answers.
type Example struct {
	Path   string `yaml:"path"`   // with the query, "" for none
	Body   string `yaml:"body"`   // "" for a GET
	Answer string `yaml:"answer"` // regular expression
}

// describe reads what lies beside a function's source.
func describe(name string, b Bundle) (Function, error) {
	f := Function{Name: name, Image: Repository + "/" + name + ":latest", Runtime: b.Spec.Runtime}
	text, err := fs.ReadFile(b.Files, "about.yaml")
	if err != nil {
		return f, fmt.Errorf("store/%s: %w", name, err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil {
		return f, fn.Errorf(fn.Internal, "store/%s: about.yaml: %w", name, err)
	}
	if f.Icon, err = fs.ReadFile(b.Files, "icon.svg"); err != nil {
		return f, fmt.Errorf("store/%s: %w", name, err)
	}
	if f.Title == "" || f.Description == "" || len(f.Examples) == 0 {
		return f, fn.Errorf(fn.Internal, "store/%s: about.yaml: title, description and examples are needed", name)
	}
	return f, nil
}
