package steps

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/fn"
)

// wheel makes a Python package as an archive pip installs without a network.
func wheel(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"greeter/__init__.py":            "def greet():\n    return 'hello from a package'\n",
		"greeter/old.py":                 "print 'for another Python'\n",
		"greeter-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n",
		"greeter-1.0.dist-info/WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"greeter-1.0.dist-info/RECORD":   "greeter/__init__.py,,\ngreeter/old.py,,\ngreeter-1.0.dist-info/METADATA,,\ngreeter-1.0.dist-info/WHEEL,,\ngreeter-1.0.dist-info/RECORD,,\n",
	} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDependenciesAreInstalledByTheLanguagesOwnTool(t *testing.T) {
	for runtime, files := range map[string]map[string]string{
		"python": {
			"requirements.txt":                    "--no-index\n./wheels/greeter-1.0-py3-none-any.whl\n",
			"wheels/greeter-1.0-py3-none-any.whl": wheel(t),
			"handler.py":                          "import greeter\n\ndef handle(event, context):\n    return greeter.greet()\n",
		},
		"node": {
			"package.json":         `{"name":"f","dependencies":{"greeter":"file:./greeter"},"devDependencies":{"dev":"file:./dev"},"scripts":{"build":"node -e \"require('fs').writeFileSync('built.js', 'module.exports = require(\\'dev\\')')\""}}`,
			"greeter/package.json": `{"name":"greeter","version":"1.0.0"}`,
			"greeter/index.js":     "module.exports = () => 'hello from a package'",
			"dev/package.json":     `{"name":"dev","version":"1.0.0"}`,
			"dev/index.js":         "module.exports = 1",
			"handler.js": "const fs = require('fs');\nexports.handle = () => {\n  if (!fs.existsSync(__dirname + '/built.js') || fs.existsSync(__dirname + '/node_modules/dev')) throw new Error('not built well');\n" +
				"  return require('greeter')();\n};\n",
		},
		"ruby": {
			"Gemfile":                 "gem 'greeter', path: 'greeter'\n",
			"greeter/greeter.gemspec": "Gem::Specification.new do |s|\n  s.name = 'greeter'\n  s.version = '1.0'\n  s.summary = s.author = 'x'\n  s.files = ['lib/greeter.rb']\nend\n",
			"greeter/lib/greeter.rb":  "def greet = 'hello from a package'\n",
			"handler.rb":              "require 'greeter'\ndef handle(event, context) = greet\n",
		},
		"go": {
			"go.mod":             "module example.com/f\n\ngo 1.20\n\nrequire example.com/greeter v0.0.0\n\nreplace example.com/greeter => ./greeter\n",
			"greeter/go.mod":     "module example.com/greeter\n",
			"greeter/greeter.go": "package greeter\n\nfunc Greet() string { return \"hello from a package\" }\n",
			"handler.go":         "package f\n\nimport \"example.com/greeter\"\n\nfunc Handle() string { return greeter.Greet() }\n",
		},
	} {
		t.Run(runtime, func(t *testing.T) {
			b := newBuilder(t, nil)
			need(t, b, runtime)
			dir := tree(t, files)
			needFor(t, b, runtime, dir)
			_, c := serve(t, b, request(t, dir, fn.Spec{Runtime: runtime}))
			if res, text, err := fetch(t, c, "GET", "/", nil); res.StatusCode != 200 || text != "hello from a package" || err != nil {
				t.Errorf("got %d %q, %v", res.StatusCode, text, err)
			}
		})
	}
}

// needFor skips a test whose source needs a tool this machine lacks.
func needFor(t testing.TB, b *Builder, runtime, dir string) {
	t.Helper()
	if _, err := b.cfg.Runtimes.Resolve(fn.Spec{Runtime: runtime}, os.DirFS(dir)); err != nil && strings.Contains(err.Error(), "install the package") {
		t.Skip(err)
	}
}

func TestABrokenSourceFailsItsBuildWithTheReason(t *testing.T) {
	for _, c := range []struct{ runtime, file, text, want string }{
		{"python", "handler.py", "def handle(:\n", "SyntaxError"},
		{"node", "handler.js", "exports.handle = (\n", "SyntaxError"},
		{"ruby", "handler.rb", "def handle(\n", "syntax error"},
		{"bash", "handler.sh", "if true; then\n", "syntax error"},
		{"go", "handler.go", "package f\n\nfunc Handle( {}\n", "syntax error"},
		{"go", "handler.go", "package f\n\nfunc Other() {}\n", "undefined: function.Handle"},
	} {
		t.Run(c.runtime+" "+c.want, func(t *testing.T) {
			b := newBuilder(t, nil)
			need(t, b, c.runtime)
			_, err := b.Build(t.Context(), request(t, tree(t, map[string]string{c.file: c.text}), fn.Spec{Runtime: c.runtime}), silent)
			f, ok := errors.AsType[*fn.Failure](err)
			if !ok || f.Kind != fn.Invalid || !strings.Contains(strings.Join(f.Output, "\n"), c.want) {
				t.Errorf("got %v", err)
			}
			leavesNothing(t, b)
		})
	}
}

func TestAFunctionThatCannotStartSaysWhy(t *testing.T) {
	for _, c := range []struct{ runtime, file, text, want string }{
		{"python", "handler.py", "handler = 1\n", "handler.py has no function handle(event, context)"},
		{"python", "handler.py", "import nothing_of_that_name\n", "ModuleNotFoundError"},
		{"node", "handler.js", "exports.other = 1\n", "handler.js exports no function handle(event, context)"},
		{"node", "handler.js", "require('nothing-of-that-name')\n", "Cannot find module"},
		{"ruby", "handler.rb", "def other = 1\n", "handler.rb defines no method handle(event, context)"},
		{"go", "handler.go", "package f\n\nfunc Handle(a, b int) {}\n", "Handle is a func(int, int)"},
	} {
		t.Run(c.runtime+" "+c.want, func(t *testing.T) {
			b := newBuilder(t, nil)
			need(t, b, c.runtime)
			a, root := mustBuild(t, b, request(t, tree(t, map[string]string{c.file: c.text}), fn.Spec{Runtime: c.runtime}))
			i, err := launch(root, a.Program, filepath.Join(t.TempDir(), "s"))
			if err != nil {
				t.Fatal(err)
			}
			if err := i.cmd.Wait(); err == nil || !strings.Contains(i.output.String(), c.want) {
				t.Errorf("ended with %v: %s", err, i.output)
			}
		})
	}
}

func TestGoHandlersMayBeTyped(t *testing.T) {
	b := newBuilder(t, nil)
	need(t, b, "go")
	text, err := os.ReadFile("testdata/go-typed/fn.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"go.mod": "module example.com/shop\n\ngo 1.18\n", "fn.go": string(text)})
	_, c := serve(t, b, request(t, dir, fn.Spec{Runtime: "go"}))
	for _, q := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"items":[2,3]}`, 200, `{"sum":5}`},
		{`{"items":[1,3]}`, 201, `{"sum":4}`},
		{`{"items":[0]}`, 200, "ab"},
		{``, 422, `{"error":"nothing was ordered","type":"shop.empty"}` + "\n"},
		{`{"items":[-1]}`, 500, `{"error":"negative","type":"*errors.errorString"}` + "\n"},
		{`{"items":5}`, 400, ""},
	} {
		res, text, err := fetch(t, c, "POST", "/", strings.NewReader(q.body))
		if res.StatusCode != q.status || q.want != "" && text != q.want || err != nil {
			t.Errorf("%s: got %d %q, %v", q.body, res.StatusCode, text, err)
		}
		if q.status == 201 && res.Header.Get("X-Made") != "yes" {
			t.Errorf("no header of its own: %v", res.Header)
		}
	}
}

func TestServerModesListenOnPort(t *testing.T) {
	b := newBuilder(t, nil)
	need(t, b, "go")
	_, root := mustBuild(t, b, request(t, tree(t, map[string]string{"main.go": "package main\n\nfunc main() {}\n"}), fn.Spec{Runtime: "go", Mode: fn.ModeServer}))
	if info, err := os.Stat(filepath.Join(root, "handler")); err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info, err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 1 {
		t.Errorf("the artifact holds %v", entries)
	}
}

func TestStartersAnswer(t *testing.T) {
	b := newBuilder(t, nil)
	for _, r := range b.cfg.Runtimes.All() {
		mode := r.Modes[0]
		if mode.Mode != fn.ModeHandler {
			continue // their programs are not the shim's
		}
		t.Run(r.Name, func(t *testing.T) {
			need(t, b, r.Name)
			dir := filepath.Join(t.TempDir(), "f")
			if _, err := r.New(dir, "f"); err != nil {
				t.Fatal(err)
			}
			_, c := serve(t, b, request(t, dir, fn.Spec{Runtime: r.Name}))
			if res, text, err := fetch(t, c, http.MethodGet, "/?name=you", nil); res.StatusCode != 200 || text != "Hello, you!\n" || err != nil {
				t.Errorf("got %d %q, %v", res.StatusCode, text, err)
			}
		})
	}
}

// BenchmarkColdStart measures from the start of an instance's program to the
// end of its first answer, without a sandbox.
func BenchmarkColdStart(b *testing.B) {
	builder := newBuilder(b, nil)
	for _, language := range []string{"go", "python", "ruby", "node", "node-esm"} {
		b.Run(language, func(b *testing.B) {
			need(b, builder, languages[language])
			a, root := mustBuild(b, builder, request(b, filepath.Join("testdata", language), fn.Spec{Runtime: languages[language]}))
			socket := filepath.Join(b.TempDir(), "s")
			for b.Loop() {
				i, err := launch(root, a.Program, socket)
				if err != nil {
					b.Fatal(err)
				}
				text, err := i.raw(b.Context(), "GET / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n")
				if err != nil || !strings.Contains(text, "hello\n") {
					b.Fatal(text, err)
				}
				b.StopTimer()
				_ = i.cmd.Process.Kill() // what a benchmark may
				_ = i.cmd.Wait()
				_ = os.Remove(socket)
				b.StartTimer()
			}
		})
	}
}
