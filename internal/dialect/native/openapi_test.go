package native

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/auth"
)

var update = flag.Bool("update", false, "rewrite golden files")

type object = map[string]any

// TestOpenAPIDocumentIsThatOfTheTable makes the document from the route table
// and the api types (with their comments) and compares it with the embedded
// one.
func TestOpenAPIDocumentIsThatOfTheTable(t *testing.T) {
	d := &documenter{comments: commentsOf(t, filepath.Join("..", "..", "..", "api")), schemas: object{}}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(d.document(routes())); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("openapi.json is stale, run with -update:\n%s", diff)
	}
}

// documenter makes an OpenAPI 3.1 document.
type documenter struct {
	comments map[string]string // "Function.Name" or "Function" → text
	schemas  object
}

func (d *documenter) document(table []route) object {
	d.schema(reflect.TypeFor[api.ErrorBody]())
	paths := object{}
	for _, rt := range table {
		item, _ := paths[rt.path].(object)
		if item == nil {
			item = object{}
			paths[rt.path] = item
		}
		item[strings.ToLower(rt.method)] = d.operation(rt)
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Rouse native API", "version": "v1",
			"description": "The management API of Rouse. Functions are called at /function/NAME[.NAMESPACE][/PATH], which needs no account.",
		},
		"paths": paths,
		"components": object{
			"schemas": d.schemas,
			"securitySchemes": object{
				"basic":  object{"type": "http", "scheme": "basic"},
				"bearer": object{"type": "http", "scheme": "bearer", "description": "the password of any account"},
			},
			"responses": object{"error": object{
				"description": "Nothing was changed; the body says why and what to do.",
				"content":     object{jsonType: object{"schema": object{"$ref": "#/components/schemas/ErrorBody"}}},
			}},
		},
	}
}

func (d *documenter) operation(rt route) object {
	op := object{
		"operationId": operationID(rt), "summary": rt.summary, "x-access": rt.access.String(),
		"security": []object{{"basic": []string{}}, {"bearer": []string{}}},
	}
	if rt.access == auth.Public {
		op["security"] = []object{}
	}
	var params []object
	for part := range strings.SplitSeq(rt.path, "/") {
		if name := strings.Trim(part, "{}"); name != part {
			params = append(params, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, q := range rt.query {
		params = append(params, object{"name": q.name, "in": "query", "description": q.doc, "schema": object{"type": "string"}})
	}
	if params != nil {
		op["parameters"] = params
	}
	if rt.requestAs != "" {
		op["requestBody"] = object{"required": true, "content": d.content(rt.requestAs, rt.request)}
	}
	answer := object{"description": "It worked."}
	if rt.answerAs != "" {
		answer["content"] = d.content(rt.answerAs, rt.response)
	}
	op["responses"] = object{strconv.Itoa(rt.status): answer, "default": object{"$ref": "#/components/responses/error"}}
	return op
}

// operationID is the method and the fixed words of the path.
func operationID(rt route) string {
	var id strings.Builder
	id.WriteString(strings.ToLower(rt.method))
	parts := strings.Split(strings.TrimPrefix(rt.path, "/v1"), "/")
	for i, part := range parts {
		part = strings.TrimSuffix(part, ".json")
		if part == "" || strings.HasPrefix(part, "{") {
			continue
		}
		if i+1 < len(parts) && strings.HasPrefix(parts[i+1], "{") {
			part = strings.TrimSuffix(part, "s") // one of them
		}
		id.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return id.String()
}

func (d *documenter) content(media string, t reflect.Type) object {
	schema := object{"type": "string"}
	switch {
	case t == nil && media != "text/plain":
		schema["contentMediaType"] = media
	case t != nil:
		schema = d.schema(t)
	}
	return object{media: object{"schema": schema}}
}

func (d *documenter) schema(t reflect.Type) object {
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int64:
		return object{"type": "integer", "format": "int64"}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Interface:
		return object{}
	case reflect.Pointer:
		s := d.schema(t.Elem())
		if name, ok := s["type"].(string); ok {
			s["type"] = []string{name, "null"}
		}
		return s
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return object{"type": "string", "format": "date-time"}
		}
		d.define(t)
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	panic(fmt.Sprintf("no schema for %v", t))
}

func (d *documenter) define(t reflect.Type) {
	if _, done := d.schemas[t.Name()]; done {
		return
	}
	d.schemas[t.Name()] = nil // ends recursion
	props, required := object{}, []string{}
	d.properties(t, props, &required)
	s := object{"type": "object", "properties": props, "description": d.comments[t.Name()]}
	if len(required) > 0 {
		s["required"] = required
	}
	d.schemas[t.Name()] = s
}

func (d *documenter) properties(t reflect.Type, props object, required *[]string) {
	for f := range t.Fields() {
		if f.Anonymous {
			optional := []string{} // an embedded pointer may be nil
			d.properties(f.Type.Elem(), props, &optional)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s := d.schema(f.Type)
		if text := d.comments[t.Name()+"."+f.Name]; text != "" {
			s["description"] = text
		}
		props[name] = s
		if options == "" {
			*required = append(*required, name)
		}
	}
}

// commentsOf reads the comments of types and their fields.
func commentsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	out := map[string]string{}
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range tree.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.TYPE {
				continue
			}
			spec := gen.Specs[0].(*ast.TypeSpec)
			out[spec.Name.Name] = oneLine(gen.Doc)
			if body, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range body.Fields.List {
					for _, name := range f.Names {
						out[spec.Name.Name+"."+name.Name] = strings.TrimSpace(oneLine(f.Doc) + " " + oneLine(f.Comment))
					}
				}
			}
		}
	}
	return out
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
