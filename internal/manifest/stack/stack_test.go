package stack

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

const full = `
version: 1.0
provider:
  name: openfaas
  gateway: https://Functions.example.com/Prefix/
functions:
  resize:
    lang: golang-http
    handler: ./functions/../functions/resize/
    image: ghcr.io/shop/resize:1.2
    namespace: shop
    fprocess: ./handler --fast
    environment: {WIDTH: 200, DEBUG: true, RATIO: 1.50, EMPTY: , TEXT: "a: b"}
    environment_file: [common.yml, ./envs/prod.yml]
    secrets: [api-key, db.password]
    labels: {com.openfaas.scale.min: 2, canary: false}
    annotations: {topic: "a,b", schedule: "*/5 * * * *"}
    constraints: ["node.platform.os == linux"]
    limits: {memory: 64Mi, cpu: 100m}
    requests: {memory: 32Mi}
    readonly_root_filesystem: true
    build_options: [dev]
    build_args: {GO111MODULE: on, N: 1}
    build_secrets: {npmrc: ./npmrc}
    platforms: linux/amd64,linux/arm64
  nodeinfo:
    skip_build: true
    image: ghcr.io/openfaas/nodeinfo:latest
  box: {lang: Dockerfile, handler: box}
configuration:
  templates:
  - {name: golang-http, source: https://example.com/templates.git#v1}
  - {name: python3-http}
  copy: [./common, lib/models]
`

func TestParseReadsEveryKey(t *testing.T) {
	got, err := Parse([]byte(full))
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Gateway: "https://Functions.example.com/Prefix",
		Functions: []Function{{
			Name: "resize", Line: 7, Lang: "golang-http", Handler: "functions/resize", Image: "ghcr.io/shop/resize:1.2", Namespace: "shop",
			FProcess:         "./handler --fast",
			Environment:      map[string]string{"WIDTH": "200", "DEBUG": "true", "RATIO": "1.50", "EMPTY": "", "TEXT": "a: b"},
			EnvironmentFiles: []string{"common.yml", "envs/prod.yml"},
			Secrets:          []string{"api-key", "db.password"},
			Labels:           map[string]string{"com.openfaas.scale.min": "2", "canary": "false"},
			Annotations:      map[string]string{"topic": "a,b", "schedule": "*/5 * * * *"},
			Constraints:      []string{"node.platform.os == linux"},
			Limits:           &Resources{Memory: "64Mi", CPU: "100m"}, Requests: &Resources{Memory: "32Mi"},
			ReadOnly: true, BuildOptions: []string{"dev"}, BuildArgs: map[string]string{"GO111MODULE": "on", "N": "1"},
			BuildSecrets: map[string]string{"npmrc": "./npmrc"}, Platforms: "linux/amd64,linux/arm64",
		}, {
			Name: "nodeinfo", Line: 26, SkipBuild: true, Image: "ghcr.io/openfaas/nodeinfo:latest",
		}, {
			Name: "box", Line: 29, Lang: Dockerfile, Handler: "box",
		}},
		Templates: []Template{{"golang-http", "https://example.com/templates.git#v1"}, {Name: "python3-http"}},
		Copy:      []string{"common", "lib/models"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if built := []bool{got.Functions[0].Built(), got.Functions[1].Built(), got.Functions[2].Built()}; !cmp.Equal(built, []bool{true, false, true}) {
		t.Errorf("built: %v", built)
	}
}

func TestParseTellsAllMistakesWithTheirLines(t *testing.T) {
	_, err := Parse([]byte(`version: 2.0
provider: {name: faas}
functions:
  Bad_Name: {lang: x, handler: x}
  a:
    handler: ../elsewhere
    lang: x
  b: {image: [x]}
  c: {lang: ../../etc, handler: c, namespace: Shop, secrets: ["../x"], labels: {"a b": c}, environment_file: [/etc/shadow]}
  d: {handler: d}
  e: {skip_build: true, handler: e, lang: x}
  f: {skip_build: perhaps, image: x}
  g: {}
  h: {image: x, environment: [a], secrets: a}
  a: {image: x}
configuration:
  copy: [../../secrets]
  templates: [{name: "-x"}]
`))
	if !errors.Is(err, fn.Invalid) {
		t.Fatalf("got %v, want an Invalid error", err)
	}
	for _, want := range []string{
		`line 1: version: "2.0" is not known`,
		`line 2: provider.name: must be openfaas, got "faas"`,
		`line 4: functions.Bad_Name: "Bad_Name" is not a name`,
		`line 6: functions.a.handler: "../elsewhere" must be a path in or below the project`,
		`line 8: functions.b.image: must be text`,
		`line 9: functions.c.lang: "../../etc" is not the name of a template`,
		`line 9: functions.c.namespace: "Shop" is not a name`,
		`line 9: functions.c.secrets[0]: "../x" cannot name a secret`,
		`line 9: functions.c.labels: "a b" is not a key`,
		`line 9: functions.c.environment_file[0]: "/etc/shadow" must be a path in`,
		`line 10: functions.d.lang: is missing`,
		`line 11: functions.e.image: is missing: with skip_build`,
		`line 12: functions.f.skip_build: must be true or false`,
		`line 13: functions.g.handler: is missing`,
		`line 14: functions.h.environment: must hold names with values`,
		`line 14: functions.h.secrets: must be a list`,
		`line 15: functions.a: is already given at line 5`,
		`configuration.copy[0]: "../../secrets" must be a path in or below the project`,
		`line 18: configuration.templates[0].name: "-x" is not the name of a template`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if got := len(fn.MistakesOf(err)); got != 19 {
		t.Errorf("%d mistakes, want 19:\n%v", got, err)
	}
}

func TestParseWarnsOfWhatItPassesOver(t *testing.T) {
	f, err := Parse([]byte(`provider: {name: openfaas, gateway: "http://127.0.0.1:8080/", network: func}
functions:
  a:
    image: x
    enviroment: {A: b}
    x-team: shop
    registry_auth: secret
---
second: document
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"line 8: a second document, it is not read",
		"line 1: provider.network: has no meaning here",
		`line 5: functions.a.enviroment: is not known and passed over: did you mean "environment"?`,
		"line 6: functions.a.x-team: is not known and passed over",
		"line 7: functions.a.registry_auth: has no meaning here",
	}
	if diff := cmp.Diff(want, f.Warnings); diff != "" {
		t.Error(diff)
	}
	if f.Gateway != "" {
		t.Errorf("gateway %q: the default does not count", f.Gateway)
	}
	if strings.Contains(fmt.Sprint(f.Warnings), "secret") {
		t.Error("a warning shows a value")
	}
}

func TestParseFollowsAnchorsAndMergeKeys(t *testing.T) {
	f, err := Parse([]byte(`provider: {name: openfaas}
x-base: &base {lang: node, labels: {a: b}, namespace: one}
x-more: &more {namespace: two, image: shared}
functions:
  a: {<<: *base, handler: a, namespace: own}
  b: {<<: [*base, *more], handler: b}
  c: *more
`))
	if err != nil {
		t.Fatal(err)
	}
	a, b, c := f.Functions[0], f.Functions[1], f.Functions[2]
	if a.Lang != "node" || a.Namespace != "own" || a.Labels["a"] != "b" {
		t.Errorf("a: %+v", a)
	}
	if b.Namespace != "one" || b.Image != "shared" || b.Handler != "b" || c.Image != "shared" {
		t.Errorf("b: %+v, c: %+v", b, c)
	}
}

// bomb is a small file whose aliases stand for very many values.
func bomb() string {
	var b strings.Builder
	b.WriteString("provider: {name: openfaas}\nx: &l {")
	for i := range 2000 {
		fmt.Fprintf(&b, "k%d: v, ", i)
	}
	b.WriteString("}\nfunctions:\n")
	for i := range 900 {
		fmt.Fprintf(&b, "  f%d: {image: x, environment: *l}\n", i)
	}
	return b.String()
}

func TestParseRefusesWhatIsNoStackFile(t *testing.T) {
	const head = "provider: {name: openfaas}\n"
	for name, in := range map[string]string{
		"nothing":             "",
		"a comment":           "# hi\n",
		"a list":              "- a\n",
		"no provider":         "functions: {a: {image: x}}",
		"no functions":        head,
		"empty functions":     head + "functions: {}",
		"a list of functions": head + "functions: [{image: x}]",
		"a bad tab":           "provider:\n\t- a",
		"too long":            "# " + strings.Repeat("x", MaxBytes),
		"aliases to the end":  bomb(),
		"merge into itself":   head + "functions: {a: &a {<<: *a, image: x}}",
		"alias to itself":     head + "functions: &f {a: *f}",
		"unknown alias":       head + "functions: {a: *b}",
		"text as function":    head + "functions: {a: b}",
		"backslash in path":   head + `functions: {a: {lang: x, handler: 'a\b'}}`,
		"NUL in path":         head + `functions: {a: {lang: x, handler: "a\0b"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse([]byte(in))
			if k := fn.KindOf(err); err == nil || k != fn.Invalid && k != fn.TooLarge {
				t.Errorf("got %+v, %v; want an Invalid or TooLarge error", f, err)
			}
		})
	}
}

func TestIsTellsAStackFileFromAManifest(t *testing.T) {
	for in, want := range map[string]bool{
		full:                                    true,
		"functions: {a: {image: x}}":            true,
		"provider: {name: faas}":                true,
		"name: a\nruntime: go":                  false,
		"functions:\n- {name: a, runtime: go}":  false,
		"not yaml: [":                           false,
		"":                                      false,
		"functions:\n  a:\n    image: ${IMAGE}": true,
		"version: 1.0\nprovider:\n  name: openfaas\nfunctions:\n  a:\n    labels: {${LABELS:-a: b}}\n": true,
	} {
		if got := Is([]byte(in)); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestSelect(t *testing.T) {
	var all []Function
	for _, n := range []string{"image-resize", "image-crop", "mail", "mail2"} {
		all = append(all, Function{Name: n})
	}
	for _, row := range []struct {
		filter Filter
		want   string
		kind   fn.Kind
	}{
		{Filter{}, "image-resize image-crop mail mail2", ""},
		{Filter{Glob: "image-*"}, "image-resize image-crop", ""},
		{Filter{Glob: "*a*"}, "image-resize image-crop mail mail2", ""},
		{Filter{Glob: "*i*e*-*e"}, "image-resize", ""},
		{Filter{Glob: "mail"}, "mail", ""},
		{Filter{Glob: "*"}, "image-resize image-crop mail mail2", ""},
		{Filter{Glob: "mai?"}, "", fn.NotFound},
		{Filter{Glob: "a*a"}, "", fn.NotFound},
		{Filter{Regex: "[0-9]$"}, "mail2", ""},
		{Filter{Regex: "^image"}, "image-resize image-crop", ""},
		{Filter{Regex: "("}, "", fn.Invalid},
		{Filter{Regex: "a", Glob: "a"}, "", fn.Invalid},
	} {
		got, err := row.filter.Select(all)
		var names []string
		for _, f := range got {
			names = append(names, f.Name)
		}
		if strings.Join(names, " ") != row.want || (err == nil) != (row.kind == "") || err != nil && fn.KindOf(err) != row.kind {
			t.Errorf("%+v: got %v, %v", row.filter, names, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{full, "provider: {name: openfaas}\nfunctions: {a: &a {<<: *a}}", "functions: {a: {labels: {1: 2}}}", "version: [", "? [a]\n: b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if k := fn.KindOf(err); k != fn.Invalid && k != fn.TooLarge {
				t.Fatalf("%v has kind %s", err, k)
			}
			return
		}
		for _, one := range file.Functions {
			if !fn.ValidName(one.Name) || strings.HasPrefix(one.Handler, "..") || strings.HasPrefix(one.Handler, "/") || strings.ContainsAny(one.Lang, "/\\") {
				t.Fatalf("accepted %+v", one)
			}
			if !one.Built() && one.Image == "" {
				t.Fatalf("nothing to run: %+v", one)
			}
		}
	})
}
