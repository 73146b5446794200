package shrinkwrap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/build/dockerfile"
	"rouse.dev/rouse/internal/fn"
)

func TestArgumentsAreWrittenIntoTheContext(t *testing.T) {
	dir := project(t, map[string]string{"Dockerfile": "FROM x\nARG MODE=none\nENV mode=$MODE\n"})
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := Arguments(root, map[string]string{"MODE": `a "b"`}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	if img, err := dockerfile.Parse(text); err != nil || img.Env["mode"] != `a "b"` {
		t.Errorf("%+v, %v:\n%s", img, err, text)
	}
	if err := Arguments(root, map[string]string{"MODE": "a\nENV x=y"}); len(fn.MistakesOf(err)) != 1 {
		t.Errorf("an argument of two lines: %v", err)
	}
	if now, err := os.ReadFile(filepath.Join(dir, "Dockerfile")); err != nil || string(now) != string(text) {
		t.Errorf("changed by arguments that were refused: %v\n%s", err, now)
	}
}

func TestArgumentsNeedADockerfileOfSomeSize(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  error
	}{
		"none":  {map[string]string{"a": ""}, nil},
		"large": {map[string]string{"Dockerfile": "FROM x\n" + strings.Repeat("#", dockerfile.MaxSize)}, fn.TooLarge},
	} {
		root, err := os.OpenRoot(project(t, c.files))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		if err := Arguments(root, map[string]string{"A": "b"}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
