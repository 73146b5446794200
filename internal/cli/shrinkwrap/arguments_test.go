package shrinkwrap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/build/dockerfile"
)

func TestArgumentsAreWhatTheDockerfileSays(t *testing.T) {
	dir := project(t, map[string]string{"Dockerfile": `FROM x
ARG MODE
arg LEVEL="low"
ARG OTHER=kept
ARG MODEL
ENV mode=$MODE level=${LEVEL} other=$OTHER odd=$ODD model=$MODEL
`})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	odd := `a "b" $c \d`
	if err := Arguments(root, map[string]string{"MODE": "http", "LEVEL": odd, "NOBODY": "asks"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := dockerfile.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"mode": "http", "level": odd, "other": "kept", "model": ""} {
		if img.Env[name] != want {
			t.Errorf("%s is %q, want %q:\n%s", name, img.Env[name], want, text)
		}
	}
	if err := Arguments(root, map[string]string{"MODE": "a\nENV x=y"}); err == nil {
		t.Error("an argument of two lines")
	}
	if strings.Contains(string(text), "NOBODY") {
		t.Error("an argument nobody asks for")
	}
}

func FuzzArguments(f *testing.F) {
	for _, s := range []string{"plain", `a "b" $c \d`, "${X}", "'", "#", " ", `\`, "a=b"} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, value string) {
		if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM x\nARG A\nENV a=$A\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if Arguments(root, map[string]string{"A": value}) != nil {
			return
		}
		text, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
		if err != nil {
			t.Fatal(err)
		}
		img, err := dockerfile.Parse(text)
		if len(value) < 1000 && (err != nil || img.Env["a"] != value) {
			t.Fatalf("%q became %q, %v\n%s", value, img.Env["a"], err, text)
		}
	})
}
