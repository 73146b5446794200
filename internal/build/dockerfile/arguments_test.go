package dockerfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

func TestArgumentsAreWhatTheDockerfileSays(t *testing.T) {
	const odd = "a \"b\" $c \\d `e"
	for name, escape := range map[string]string{"": "", "another escape": "# escape=`\n"} {
		text := escape + `ARG BASE=x
FROM $BASE AS first
ARG MODE
arg LEVEL="low" 
ARG OTHER=kept TWO  "THREE"
ARG MODEL
` + "ENV mode=$MODE level=${LEVEL} other=$OTHER two=$TWO odd=$ODD model=$MODEL\r\n"
		got, err := SetArguments([]byte(text), map[string]string{"MODE": "http", "LEVEL": odd, "TWO": "2", "NOBODY": "asks"})
		if err != nil {
			t.Fatal(name, err)
		}
		img, err := Parse(got)
		if err != nil {
			t.Fatal(name, err)
		}
		want := map[string]string{"mode": "http", "level": odd, "other": "kept", "two": "2", "odd": "", "model": ""}
		if diff := cmp.Diff(want, img.Env); diff != "" {
			t.Errorf("%s: %s\n%s", name, diff, got)
		}
		if strings.Contains(string(got), "NOBODY") || !strings.HasSuffix(string(got), "$MODEL\r\n") {
			t.Errorf("%s: more is changed than the ARG lines: %s", name, got)
		}
	}
}

func TestArgumentsLeaveAloneWhatTheyDoNotName(t *testing.T) {
	for _, text := range []string{
		"", "FROM x\nARG  A=1   C", "FROM x\r\nARG A\r\n", "# ARG B\nFROM x\nARGB B\nENV B\n", "FROM x\nARG B \\\n  C\n", "FROM x\nARG $B \"B\" B-\n",
	} {
		if got, err := SetArguments([]byte(text), map[string]string{"B": "b", "$B": "b", `"B"`: "b", "B-": "b"}); err != nil || string(got) != text {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
}

func TestArgumentsThatDoNotFitAreRefused(t *testing.T) {
	for _, value := range []string{"a\nENV x=y", "a\rb", "\x00"} {
		if _, err := SetArguments([]byte("FROM x\n"), map[string]string{"A": value, "B": "b"}); len(fn.MistakesOf(err)) != 1 {
			t.Errorf("%q: %v", value, err)
		}
	}
	args := map[string]string{"A": strings.Repeat("x", 1<<10)}
	for _, text := range []string{"FROM x\n" + strings.Repeat("ARG A\n", 2000), "FROM x\nARG " + strings.Repeat("A ", 2000), "FROM x\n" + strings.Repeat("#", MaxSize)} {
		if _, err := SetArguments([]byte(text), args); !errors.Is(err, fn.TooLarge) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func FuzzSetArguments(f *testing.F) {
	for _, s := range []string{"plain", `a "b" $c \d`, "${X}", "'", "#", " ", `\`, "a=b", "`"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, value string, odd bool) {
		text := "FROM x\nARG A\nENV a=$A\n"
		if odd {
			text = "#escape=`\n" + text
		}
		out, err := SetArguments([]byte(text), map[string]string{"A": value})
		if err != nil {
			return
		}
		img, err := Parse(out)
		if len(value) < 1000 && (err != nil || img.Env["a"] != value) {
			t.Fatalf("%q became %q, %v\n%s", value, img.Env["a"], err, out)
		}
	})
}
