package stack

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

var fresh = Entry{Name: "new", Lang: "py", Handler: "new", Image: "new:latest"}

const freshText = "  new:\n    lang: py\n    handler: ./new\n    image: new:latest\n"

func TestAppend(t *testing.T) {
	const head = "provider: {name: openfaas}\n"
	for name, row := range map[string]struct{ before, after string }{
		"to nothing":       {"", "version: 1.0\nprovider:\n  name: openfaas\n  gateway: http://127.0.0.1:8080\nfunctions:\n" + freshText},
		"at the end":       {head + "functions:\n  a: # first\n    image: ${A:-x}\n", head + "functions:\n  a: # first\n    image: ${A:-x}\n" + freshText},
		"no last line end": {head + "functions:\n  a: {image: x}", head + "functions:\n  a: {image: x}\n" + freshText},
		"before other keys": {
			"functions:\n  a:\n    image: x\n\n# about the provider\nprovider: {name: openfaas}\n",
			"functions:\n  a:\n    image: x\n" + freshText + "\n# about the provider\nprovider: {name: openfaas}\n",
		},
		"another indent": {
			head + "functions:\n    a: {image: x}\n",
			head + "functions:\n    a: {image: x}\n    new:\n      lang: py\n      handler: ./new\n      image: new:latest\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Append([]byte(row.before), fresh)
			if diff := cmp.Diff(row.after, string(got)); diff != "" || err != nil {
				t.Errorf("%s%v", diff, err)
			}
			if _, err := Parse(got); err != nil {
				t.Errorf("cannot be read: %v", err)
			}
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	for in, kind := range map[string]fn.Kind{
		"functions:\n  new: {image: x}\n":         fn.Conflict,
		"functions: {a: {image: x}}\n":            fn.Invalid,
		"functions:\n":                            fn.Invalid,
		"provider: {name: openfaas}\n":            fn.Invalid,
		"- a\n":                                   fn.Invalid,
		"functions:\n  a: b: c\n":                 fn.Invalid,
		"functions:\n  a: {image: x}\n...\n---\n": fn.Invalid,
	} {
		if got, err := Append([]byte(in), fresh); !errors.Is(err, kind) {
			t.Errorf("%q: %q, %v; want %s", in, got, err, kind)
		}
	}
	if _, err := Append(nil, Entry{Name: "a", Lang: "b", Handler: "c #d", Image: "e"}); err == nil {
		t.Error("a handler that YAML cuts off")
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("functions:\n  a: {image: x}\nprovider: {name: openfaas}\n")
	f.Add("functions:\n  a:\n    x: |\n      text\n\n# end\n")
	f.Fuzz(func(t *testing.T, in string) {
		out, err := Append([]byte(in), fresh)
		if err == nil && !holds(out, fresh) {
			t.Fatalf("%q became %q", in, out)
		}
	})
}
