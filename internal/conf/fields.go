package conf

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"rouse.dev/rouse/api"
	"rouse.dev/rouse/internal/fn"
)

// field is one leaf of the tree.
type field struct {
	path  string // "gateway.headTimeout"
	doc   string
	value reflect.Value // settable if the Config was handed in by pointer
}

// fields returns the leaves below v in order of declaration.
func fields(c *Config) []field { return appendFields(nil, "", reflect.ValueOf(c).Elem()) }

func appendFields(out []field, prefix string, v reflect.Value) []field {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() {
			continue
		}
		path := prefix + sf.Tag.Get("yaml")
		if sf.Type.Kind() == reflect.Struct {
			out = appendFields(out, path+".", v.Field(i))
			continue
		}
		out = append(out, field{path: path, doc: sf.Tag.Get("doc"), value: v.Field(i)})
	}
	return out
}

// env is the environment variable of a field: gateway.headTimeout is
// ROUSE_GATEWAY_HEAD_TIMEOUT.
func (f field) env() string {
	var b strings.Builder
	b.WriteString("ROUSE_")
	upper := true // so that runs like "RPS" stay one word
	for _, r := range f.path {
		switch {
		case r == '.':
			b.WriteByte('_')
			upper = true
			continue
		case unicode.IsUpper(r) && !upper:
			b.WriteByte('_')
		}
		upper = unicode.IsUpper(r)
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// text writes the value as set reads it.
func (f field) text() string {
	if list, ok := f.value.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(f.value.Interface())
}

// set reads text into the field.
func (f field) set(text string) error {
	if u, ok := f.value.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch p := f.value.Addr().Interface().(type) {
	case *string:
		*p = text
	case *[]string:
		*p = splitList(text)
	case *int:
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			return fn.Errorf(fn.Invalid, "%q is not a whole number", text)
		}
		*p = n
	case *bool:
		v, err := strconv.ParseBool(strings.TrimSpace(text))
		if err != nil {
			return fn.Errorf(fn.Invalid, "%q is neither true nor false", text)
		}
		*p = v
	case *time.Duration:
		d, err := fn.ParseDuration(text)
		if err != nil {
			return err
		}
		*p = d
	default:
		panic("conf: no text form for the type of " + f.path) // a new kind of field: teach set and the tests
	}
	return nil
}

// splitList splits at commas; an empty text is an empty list.
func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// Settings returns every field with its value, default, origin and meaning,
// in order of declaration.
func (c Config) Settings() []api.Setting {
	def := Default(c.Data)
	defaults := fields(&def)
	out := make([]api.Setting, 0, len(defaults))
	for i, f := range fields(&c) {
		s := api.Setting{
			Name: f.path, Value: f.text(), Default: defaults[i].text(), Source: "default",
			Env: f.env(), Doc: f.doc,
		}
		if from, ok := c.origin[f.path]; ok {
			s.Source = from
		}
		out = append(out, s)
	}
	return out
}
