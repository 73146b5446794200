package stack

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"rouse.dev/rouse/internal/manifest/yamlfield"
)

// FileNames are the names a stack file has in a project, the first that is
// there counts.
var FileNames = []string{"stack.yaml", "stack.yml"}

// Bounds of a stack file.
const (
	MaxBytes     = 1 << 20 // before and after variables are put in
	MaxFunctions = 1000
	maxNodes     = 100_000 // values read, each use of an alias counted anew
)

// DefaultGateway is what provider.gateway says when nobody has set it.
const DefaultGateway = "http://127.0.0.1:8080"

// File is a stack file. Paths in it are as written, relative to the project.
type File struct {
	Gateway   string     // provider.gateway, "" if it is missing or DefaultGateway
	Functions []Function // in the order of the file
	Templates []Template // configuration.templates
	Copy      []string   // configuration.copy: paths below the project, cleaned
	Warnings  []string   // what is passed over: "line 3: …"
}

// Template is a language template the file says where to get.
type Template struct {
	Name   string
	Source string // Git URL, may end in #REF; "" means the template store
}

// Function is one function as written: a zero field was left out.
type Function struct {
	Name string
	Line int // where it begins, from 1

	Lang      string // folder of the template, or "dockerfile"
	Handler   string // folder below the project, cleaned
	Image     string
	Namespace string
	FProcess  string

	Environment      map[string]string
	EnvironmentFiles []string // the later wins, all win over Environment
	Secrets          []string
	Labels           map[string]string
	Annotations      map[string]string
	Constraints      []string
	Limits, Requests *Resources // nil if left out
	ReadOnly         bool       // readonly_root_filesystem

	SkipBuild    bool
	BuildOptions []string
	BuildArgs    map[string]string
	BuildSecrets map[string]string // id → file
	Platforms    string
}

// Resources are quantities as Kubernetes writes them: "64Mi", "100m".
type Resources struct{ Memory, CPU string }

// Built says whether the function is made from a template here, rather than
// taken from its image.
func (f *Function) Built() bool { return !f.SkipBuild && f.Handler != "" }

// Is says whether data looks like a stack file rather than a rouse.yaml: its
// functions have names as keys, or it names a provider.
func Is(data []byte) bool {
	var top struct {
		Provider  yaml.Node `yaml:"provider"`
		Functions yaml.Node `yaml:"functions"`
	}
	if len(data) > MaxBytes {
		return false
	}
	if yaml.Unmarshal(data, &top) != nil { // it may be YAML once its variables are put in
		return bytes.HasPrefix(data, []byte("provider:")) || bytes.Contains(data, []byte("\nprovider:"))
	}
	return top.Provider.Kind != 0 || top.Functions.Kind == yaml.MappingNode
}

// Parse reads a stack file into which variables have been put already (see
// Substitute). An Invalid error joins every mistake as an fn.Mistake whose
// Field begins with the line: "line 7: functions.a.lang".
func Parse(data []byte) (*File, error) {
	r := &reader{left: maxNodes}
	root, err := r.document(data, "the stack file")
	if err != nil {
		return nil, err
	}
	f := r.file(root)
	if err := r.err(); err != nil {
		return nil, err
	}
	f.Warnings = r.warnings
	return f, nil
}

func (r *reader) file(root *yaml.Node) *File {
	f := &File{}
	var version, provider string
	seen := r.mapping(root, "", map[string]setter{
		"version": r.text(&version),
		"provider": r.section(map[string]setter{
			"name": r.text(&provider), "gateway": r.text(&f.Gateway), "network": r.unused,
		}),
		"functions":     r.functions(&f.Functions),
		"configuration": r.section(map[string]setter{"templates": r.templates(&f.Templates), "copy": r.words(&f.Copy)}),
	})
	if root.Kind != yaml.MappingNode {
		return f
	}
	if version != "" && version != "1.0" && version != "1" {
		r.add(seen["version"], "version", "%q is not known: there is 1.0", yamlfield.Clip(version))
	}
	if provider != "openfaas" {
		line := max(seen["provider"], root.Line)
		r.add(line, "provider.name", "must be openfaas, got %q", yamlfield.Clip(provider))
	}
	if seen["functions"] == 0 {
		r.add(root.Line, "functions", "is missing: name at least one function")
	}
	f.Gateway = gateway(f.Gateway)
	for i, p := range f.Copy {
		f.Copy[i] = r.local(seen["configuration"], fmt.Sprintf("configuration.copy[%d]", i), p)
	}
	return f
}

// gateway takes away the default: only another value counts.
func gateway(url string) string {
	url = strings.TrimRight(url, "/")
	if url == DefaultGateway {
		return ""
	}
	return url
}

func (r *reader) templates(dst *[]Template) setter {
	return r.each(func(n *yaml.Node, path string) {
		var t Template
		r.mapping(n, path+".", map[string]setter{"name": r.text(&t.Name), "source": r.text(&t.Source)})
		if n.Kind == yaml.MappingNode && !ValidTemplate(t.Name) {
			r.add(n.Line, path+".name", "%q is not the name of a template", yamlfield.Clip(t.Name))
		}
		*dst = append(*dst, t)
	})
}

func (r *reader) functions(dst *[]Function) setter {
	return func(n *yaml.Node, path string) {
		entries := r.entries(n, path, "functions, like this: {hello: {lang: python3-http, handler: ./hello}}")
		if len(entries) > MaxFunctions || n.Kind == yaml.MappingNode && len(entries) == 0 {
			r.add(n.Line, path, "must hold 1 to %d functions, got %d", MaxFunctions, len(entries))
			return
		}
		for _, e := range entries {
			*dst = append(*dst, r.function(e, path+"."+yamlfield.Clip(e.key.Value)))
		}
	}
}
