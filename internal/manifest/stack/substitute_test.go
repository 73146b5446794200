package stack

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

func variables(name string) string {
	return map[string]string{"A": "one", "B_2": "two", "DOLLAR": "${A}", "BRACE": "a}b", "LINES": "x\ny"}[name]
}

func TestSubstitute(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                      "plain",
		"${A}":                       "one",
		"x${A}y${B_2}z":              "xoneytwoz",
		"${NONE}":                    "",
		"${NONE:-else}":              "else",
		"${NONE-else} ${NONE=else}":  "else else",
		"${NONE:=else}":              "else",
		"${A:-else}":                 "one",
		"${NONE:-}":                  "",
		"${NONE:-${A}}":              "one",
		"${NONE:-a${A}-${N:-b}c}d":   "aone-bcd",
		"${A:-${B_2}}":               "one",
		"${NONE:-http://h:8080/a-b}": "http://h:8080/a-b",
		"$A $$ $5 a$":                "$A $$ $5 a$",
		"$${A}":                      "${A}",
		"${A}$${A}${A}":              "one${A}one",
		"${NONE:-$${A}}":             "${A}",
		"${A:-$${A}}":                "one",
		"${DOLLAR}":                  "${A}",
		"${BRACE}":                   "a}b",
		"{{ template }} } {":         "{{ template }} } {",
		"a: ${LINES}":                "a: x\ny",
	} {
		got, _, err := Substitute([]byte(in), variables)
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestSubstituteNamesWhatIsNotSet(t *testing.T) {
	_, unset, err := Substitute([]byte("${X} ${A} ${Y:-d} ${X} ${A:-${Z}} ${W:-${V}}"), variables)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"X", "V"}, unset); diff != "" {
		t.Error(diff)
	}
}

func TestSubstituteTellsAllMistakesWithTheirLines(t *testing.T) {
	_, _, err := Substitute([]byte("ok\n${}\n${A^^} x\n${1}\n${A\nmore ${A}\n${A:-b\n"), variables)
	if !errors.Is(err, fn.Invalid) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, m := range fn.MistakesOf(err) {
		got = append(got, m.Field)
	}
	if diff := cmp.Diff([]string{"line 2", "line 3", "line 4", "line 5", "line 7"}, got); diff != "" {
		t.Errorf("%s%v", diff, err)
	}
}

func TestSubstituteIsBounded(t *testing.T) {
	long := func(string) string { return strings.Repeat("x", 1000) }
	if out, _, err := Substitute([]byte(strings.Repeat("${A}", 10_000)), long); !errors.Is(err, fn.Invalid) {
		t.Errorf("10 MB made of a small text: %d bytes, %v", len(out), err)
	}
	if _, _, err := Substitute([]byte(strings.Repeat("${N:-", 100_000)), variables); !errors.Is(err, fn.Invalid) {
		t.Errorf("deep defaults: %v", err)
	}
	if _, _, err := Substitute([]byte(strings.Repeat("${\n", 300_000)), variables); len(fn.MistakesOf(err)) > maxMistakes {
		t.Errorf("%d mistakes", len(fn.MistakesOf(err)))
	}
	if _, _, err := Substitute(make([]byte, MaxBytes+1), variables); !errors.Is(err, fn.TooLarge) {
		t.Errorf("too long: %v", err)
	}
}

func FuzzSubstitute(f *testing.F) {
	for _, s := range []string{"${A}", "${A:-b}", "$${A}", "${N:-${A}}", "${", "$", "${A:-$${B}}", "}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, _, err := Substitute([]byte(in), variables)
		if err != nil {
			if k := fn.KindOf(err); k != fn.Invalid && k != fn.TooLarge {
				t.Fatalf("%v has kind %s", err, k)
			}
			return
		}
		if !strings.Contains(in, "${") && string(out) != in {
			t.Fatalf("%q became %q", in, out)
		}
	})
}
