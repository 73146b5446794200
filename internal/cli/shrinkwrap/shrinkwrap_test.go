package shrinkwrap

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
)

// project writes files: "-> x" makes a link, a name that ends in "*" a program.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, strings.TrimSuffix(name, "*"))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		target, link := strings.CutPrefix(text, "-> ")
		mode := fs.FileMode(0o640)
		if strings.HasSuffix(name, "*") {
			mode = 0o750
		}
		var err error
		if link {
			err = os.Symlink(target, p)
		} else {
			err = os.WriteFile(p, []byte(text), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// list returns what project would have to be told to make the folder.
func list(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(p)
			out[name] = "-> " + target
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&0o100 != 0 {
			name += "*"
		}
		text, err := os.ReadFile(p)
		out[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func makeIn(t *testing.T, dir string, c Context) (map[string]string, error) {
	t.Helper()
	dest := t.TempDir()
	root, err := os.OpenRoot(dest)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	n, err := Make(dir, c, root)
	got := list(t, dest)
	if err == nil && n < len(got) {
		t.Errorf("%d files told, %d made", n, len(got))
	}
	return got, err
}

func TestTheHandlerIsLaidOverTheTemplate(t *testing.T) {
	dir := project(t, map[string]string{
		"template/py/Dockerfile":            "FROM x",
		"template/py/run.sh*":               "run",
		"template/py/index.py":              "index",
		"template/py/function/handler.py":   "to begin with",
		"template/py/function/gone.py":      "stays",
		"template/py/function/lib/util.py":  "old",
		"template/py/function/link":         "-> handler.py",
		"hello/handler.py":                  "mine",
		"hello/lib/util.py":                 "new",
		"hello/link":                        "no link",
		"hello/inner":                       "-> lib/util.py",
		"hello/build/x":                     "left out",
		"hello/template/x":                  "left out",
		"hello/lib/build/y":                 "kept",
		"common/a.py":                       "a",
		"models/big/m.bin":                  "m",
		"models/big/other/n.bin":            "n",
		"other/never.py":                    "never",
		"template/other/Dockerfile":         "never",
		"hello/.git/config":                 "never",
		"template/py/function/.gitignore":   "*",
		"template/py/function/requirements": "none",
	})
	got, err := makeIn(t, dir, Context{
		Template: "template/py", HandlerFolder: "function", Handler: "hello", Extra: []string{"common", "models/big/m.bin"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Dockerfile": "FROM x", "run.sh*": "run", "index.py": "index",
		"function/handler.py": "mine", "function/gone.py": "stays", "function/lib/util.py": "new", "function/link": "no link",
		"function/inner": "-> lib/util.py", "function/lib/build/y": "kept", "function/.gitignore": "*", "function/requirements": "none",
		"function/common/a.py": "a", "function/models/big/m.bin": "m",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutATemplateTheHandlerIsTheContext(t *testing.T) {
	dir := project(t, map[string]string{"box/Dockerfile": "FROM x", "box/build/x": "x", "box/template/x": "x", "common/a": "a"})
	got, err := makeIn(t, dir, Context{Handler: "box", Extra: []string{"common"}})
	if diff := cmp.Diff(map[string]string{"Dockerfile": "FROM x", "common/a": "a"}, got); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
}

func TestNothingOutsideTheProjectIsRead(t *testing.T) {
	outside := project(t, map[string]string{"secret": "secret", "dir/secret": "secret"})
	for name, c := range map[string]struct {
		files   map[string]string
		context Context
	}{
		"a handler that is a link":     {map[string]string{"h": "-> " + outside}, Context{Handler: "h"}},
		"a handler behind a link":      {map[string]string{"l": "-> " + outside}, Context{Handler: "l/dir"}},
		"a link in the handler":        {map[string]string{"h/x": "-> " + outside + "/secret"}, Context{Handler: "h"}},
		"a relative link that leaves":  {map[string]string{"h/x": "-> ../../../../etc/passwd"}, Context{Handler: "h"}},
		"a link from handler to aside": {map[string]string{"h/x": "-> ../aside", "aside": "a"}, Context{Handler: "h"}},
		"a template that is a link":    {map[string]string{"template/t": "-> " + outside, "h/a": "a"}, Context{Handler: "h", Template: "template/t", HandlerFolder: "function"}},
		"an extra that is a link":      {map[string]string{"h/a": "a", "x": "-> " + outside}, Context{Handler: "h", Extra: []string{"x"}}},
		"an extra file that is a link": {map[string]string{"h/a": "a", "x": "-> " + outside + "/secret"}, Context{Handler: "h", Extra: []string{"x"}}},
		"an extra by dots":             {map[string]string{"h/a": "a"}, Context{Handler: "h", Extra: []string{"../" + filepath.Base(outside)}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := makeIn(t, project(t, c.files), c.context)
			if !errors.Is(err, fn.Invalid) {
				t.Errorf("got %v, want an Invalid error", err)
			}
			for name, text := range got {
				if text == "secret" || strings.HasPrefix(text, "-> ") {
					t.Errorf("%s: %s", name, text)
				}
			}
		})
	}
}

func TestATemplatesLinksDoNotLeadTheHandlerAstray(t *testing.T) {
	dir := project(t, map[string]string{
		"template/t/function": "-> elsewhere", "template/t/elsewhere/kept": "kept", "h/handler": "mine",
	})
	got, err := makeIn(t, dir, Context{Handler: "h", Template: "template/t", HandlerFolder: "function"})
	want := map[string]string{"elsewhere/kept": "kept", "function/handler": "mine"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
}

func TestAllThatCannotBeCopiedIsToldAtOnce(t *testing.T) {
	dir := project(t, map[string]string{"h/a": "-> /etc/passwd", "h/b": "-> /etc/shadow", "h/c": "fine"})
	if err := syscall.Mkfifo(filepath.Join(dir, "h", "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := makeIn(t, dir, Context{Handler: "h"})
	if n := len(fn.MistakesOf(err)); n != 3 {
		t.Errorf("%d mistakes, want 3: %v", n, err)
	}
	_, err = makeIn(t, dir, Context{Handler: "nowhere"})
	if !errors.Is(err, fn.NotFound) {
		t.Errorf("no handler: %v", err)
	}
}

func TestClearStaysInTheProject(t *testing.T) {
	outside := project(t, map[string]string{"f/keep": "keep"})
	dir := project(t, map[string]string{"build": "-> " + outside})
	if _, err := Clear(dir, "f"); !errors.Is(err, fn.Invalid) {
		t.Errorf("a build folder that is a link: %v", err)
	}
	if got := list(t, outside); got["f/keep"] != "keep" {
		t.Errorf("outside: %v", got)
	}
	dir = project(t, map[string]string{"build/f/old": "old", "build/g/keep": "keep"})
	root, err := Clear(dir, "f")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if diff := cmp.Diff(map[string]string{"build/g/keep": "keep"}, list(t, dir)); diff != "" {
		t.Error(diff)
	}
}
