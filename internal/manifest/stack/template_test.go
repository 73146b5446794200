package stack

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

const language = `
language: python3-http
fprocess: python index.py
handler_folder: ./src/function
mount_ssh: true
welcome_message: |
  Two lines
  of welcome.
build_options:
- name: dev
  packages: [make, gcc]
- name: libffi
  packages: [libffi-dev, gcc]
made_by: someone
`

func TestParseLanguage(t *testing.T) {
	l, err := ParseLanguage([]byte(language))
	if err != nil {
		t.Fatal(err)
	}
	want := &Language{
		Name: "python3-http", FProcess: "python index.py", HandlerFolder: "src/function", MountSSH: true, Welcome: "Two lines\nof welcome.\n",
		Options:  []BuildOption{{"dev", []string{"make", "gcc"}}, {"libffi", []string{"libffi-dev", "gcc"}}},
		Warnings: []string{"line 14: made_by: is not known and passed over"},
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Error(diff)
	}
	if l, err := ParseLanguage([]byte("language: x")); err != nil || l.HandlerFolder != "function" {
		t.Errorf("by default: %+v, %v", l, err)
	}
	_, err = ParseLanguage([]byte("handler_folder: ../../etc\nbuild_options: {}\nmount_ssh: often"))
	if len(fn.MistakesOf(err)) != 3 {
		t.Errorf("mistakes: %v", err)
	}
}

func TestBuildOptionsBecomeOneArgument(t *testing.T) {
	l, err := ParseLanguage([]byte(language))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := l.Packages([]string{"dev", "libffi"})
	if err != nil {
		t.Fatal(err)
	}
	got := Arguments(packages, map[string]string{"A": "1", AdditionalPackage: "git gcc"}, map[string]string{"A": "2"})
	if diff := cmp.Diff(map[string]string{"A": "2", AdditionalPackage: "make gcc libffi-dev git"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := l.Packages([]string{"dev", "x", "y"}); len(fn.MistakesOf(err)) != 2 || !strings.Contains(err.Error(), "there are dev, libffi") {
		t.Errorf("unknown options: %v", err)
	}
}

func TestParseEnvironment(t *testing.T) {
	got, err := ParseEnvironment([]byte("environment:\n  A: 1\n  B: on\nother: {}\n"))
	if diff := cmp.Diff(map[string]string{"A": "1", "B": "on"}, got); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
	if _, err := ParseEnvironment([]byte("environment: [a]")); !errors.Is(err, fn.Invalid) {
		t.Errorf("a list: %v", err)
	}
}

func TestParseStore(t *testing.T) {
	got, err := ParseStore([]byte(`[{"template":"bun","platform":"x86_64","language":"Bun","source":"o","description":"d","repo":"https://example.com/x","official":"true","recommended":true,"more":1}]`))
	want := []StoreEntry{{"bun", "x86_64", "Bun", "o", "d", "https://example.com/x", "true", true}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
	if _, err := ParseStore([]byte(`[{"template":"../x"},{"template":""}]`)); len(fn.MistakesOf(err)) != 2 {
		t.Errorf("bad names: %v", err)
	}
	if _, err := ParseStore([]byte(`{}`)); !errors.Is(err, fn.Invalid) {
		t.Errorf("no list: %v", err)
	}
}

func FuzzParseLanguage(f *testing.F) {
	f.Add([]byte(language))
	f.Add([]byte("build_options: [{name: a, packages: [b]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLanguage(data)
		if err == nil && (strings.HasPrefix(l.HandlerFolder, "..") || strings.HasPrefix(l.HandlerFolder, "/")) {
			t.Fatalf("handler folder %q", l.HandlerFolder)
		}
	})
}
