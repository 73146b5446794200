package stack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/yamlfield"
)

// TemplateFile is the name of a language template's description.
const TemplateFile = "template.yml"

// AdditionalPackage is the build argument that build options end in.
const AdditionalPackage = "ADDITIONAL_PACKAGE"

// Language is a template.yml.
type Language struct {
	Name          string
	FProcess      string
	Welcome       string
	HandlerFolder string // slash-separated, "function" by default
	MountSSH      bool
	Options       []BuildOption
	Warnings      []string
}

// BuildOption is a named set of packages that a build can add.
type BuildOption struct {
	Name     string
	Packages []string
}

// ParseLanguage reads a template.yml; see Parse about mistakes.
func ParseLanguage(data []byte) (*Language, error) {
	r := &reader{left: maxNodes}
	root, err := r.document(data, TemplateFile)
	if err != nil {
		return nil, err
	}
	l := &Language{}
	seen := r.mapping(root, "", map[string]setter{
		"language":        r.text(&l.Name),
		"fprocess":        r.text(&l.FProcess),
		"welcome_message": r.text(&l.Welcome),
		"handler_folder":  r.text(&l.HandlerFolder),
		"mount_ssh":       r.flag(&l.MountSSH),
		"build_options": r.each(func(n *yaml.Node, path string) {
			var o BuildOption
			r.mapping(n, path+".", map[string]setter{"name": r.text(&o.Name), "packages": r.words(&o.Packages)})
			l.Options = append(l.Options, o)
		}),
	})
	if l.HandlerFolder == "" {
		l.HandlerFolder = "function"
	}
	l.HandlerFolder = r.local(seen["handler_folder"], "handler_folder", l.HandlerFolder)
	l.Warnings = r.warnings
	return l, r.err()
}

// Packages returns what the named build options install, each package once.
func (l *Language) Packages(options []string) ([]string, error) {
	var out []string
	var wrong fn.Mistakes
	for _, name := range options {
		i := slices.IndexFunc(l.Options, func(o BuildOption) bool { return o.Name == name })
		if i < 0 {
			wrong.Add("build option "+yamlfield.Clip(name), "is not one of the template's%s", l.optionNames())
			continue
		}
		out = append(out, l.Options[i].Packages...)
	}
	return unique(out), wrong.Err()
}

func (l *Language) optionNames() string {
	var names []string
	for _, o := range l.Options {
		names = append(names, o.Name)
	}
	if names == nil {
		return ", it has none"
	}
	return ": there are " + strings.Join(names, ", ")
}

// Arguments joins build arguments, the later map winning, with the packages of
// build options: those end in AdditionalPackage, behind what is there already.
func Arguments(packages []string, args ...map[string]string) map[string]string {
	out := merge(args...)
	if len(packages) > 0 {
		all := append(slices.Clone(packages), strings.Fields(out[AdditionalPackage])...)
		out[AdditionalPackage] = strings.Join(unique(all), " ")
	}
	return out
}

// ParseEnvironment reads an environment file: its map "environment".
func ParseEnvironment(data []byte) (map[string]string, error) {
	r := &reader{left: maxNodes}
	root, err := r.document(data, "the environment file")
	if err != nil {
		return nil, err
	}
	var out map[string]string
	r.mapping(root, "", map[string]setter{"environment": r.texts(&out)})
	return out, r.err()
}

// StoreEntry is one template of a template store.
type StoreEntry struct {
	Name        string `json:"template"`
	Platform    string `json:"platform"`
	Language    string `json:"language"`
	Source      string `json:"source"`
	Description string `json:"description"`
	Repo        string `json:"repo"`
	Official    string `json:"official"` // "true" or "false", as text
	Recommended bool   `json:"recommended,omitempty"`
}

// ParseStore reads the list of a template store.
func ParseStore(data []byte) ([]StoreEntry, error) {
	if len(data) > MaxBytes {
		return nil, fn.Errorf(fn.TooLarge, "the template store's list has more than %s", fn.FormatBytes(MaxBytes))
	}
	var all, out []StoreEntry
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fn.Errorf(fn.Invalid, "the template store's list cannot be read: %v", err)
	}
	var wrong fn.Mistakes
	for i, e := range all {
		if !ValidTemplate(e.Name) {
			wrong.Add(fmt.Sprintf("template %d", i+1), "%q is not the name of a template", yamlfield.Clip(e.Name))
			continue
		}
		out = append(out, e)
	}
	return out, wrong.Err()
}

func merge(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

func unique(words []string) []string {
	var out []string
	for _, w := range words {
		if w != "" && !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}
