package runtimes

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest"
	"rouse.dev/rouse/templates"
)

// host makes a folder with the programs, all of them empty.
func host(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range programs {
		if err := os.WriteFile(filepath.Join(dir, p), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func builtin(t *testing.T, search ...string) *Set {
	t.Helper()
	s, err := Load(templates.FS, "", search)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.byName {
		r.Path = nil // tests choose the host's programs
	}
	return s
}

func files(names ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for _, n := range names {
		name, text, _ := strings.Cut(n, "=")
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return m
}

func TestBuiltinRuntimesAreSeven(t *testing.T) {
	if diff := cmp.Diff([]string{"bash", "exec", "go", "node", "openfaas", "python", "ruby"}, builtin(t).Names()); diff != "" {
		t.Error(diff)
	}
}

func TestResolveMakesAProgram(t *testing.T) {
	bin := host(t, "python3", "pip3", "bash", "node", "go", "tool")
	s := builtin(t, bin)
	for name, c := range map[string]struct {
		spec    fn.Spec
		source  fstest.MapFS
		command []string
		listen  fn.Listen
		steps   []string
		files   []string
	}{
		"a Python handler": {
			fn.Spec{Runtime: "python"}, files("handler.py"),
			[]string{bin + "/python3", "-I", "-S", "-u", "-X", "utf8", "/function/.rouse/boot.py", "handler.py"},
			fn.ListenSocket, []string{"compile"}, []string{".rouse"},
		},
		"a Python handler with requirements": {
			fn.Spec{Runtime: "python", Handler: "app/./serve.py"}, files("app/serve.py", "requirements.txt"),
			[]string{bin + "/python3", "-I", "-S", "-u", "-X", "utf8", "/function/.rouse/boot.py", "app/serve.py"},
			fn.ListenSocket, []string{"dependencies", "compile"}, []string{".rouse"},
		},
		"a Bash script": {
			fn.Spec{Runtime: "bash"}, files("main.sh"),
			[]string{"/rouse/rouse", "watchdog", "--", bin + "/bash", "/function/main.sh"},
			fn.ListenSocket, []string{"check"}, nil,
		},
		"a Node server": {
			fn.Spec{Runtime: "node", Mode: fn.ModeServer}, files("server.js"),
			[]string{bin + "/node", "--max-old-space-size=%{heapMiB}", "/function/server.js"}, fn.ListenPort, []string{"check"}, []string{".rouse"},
		},
		"a Go handler without go.mod": {
			fn.Spec{Runtime: "go"}, files("a_test.go", "b.go"),
			[]string{"/function/handler"}, fn.ListenSocket, []string{"compile"}, []string{"go.mod", "zz_rouse/main.go", "zz_rouse/serve"},
		},
		"a Go server": {
			fn.Spec{Runtime: "go", Mode: fn.ModeServer}, files("main.go", "go.mod"),
			[]string{"/function/handler"}, fn.ListenPort, []string{"compile"}, nil,
		},
		"a command of the source": {
			fn.Spec{Runtime: "exec", Command: []string{"./bin/serve", "-v"}},
			fstest.MapFS{"bin/serve": {Mode: 0o755}},
			[]string{"/function/bin/serve", "-v"}, fn.ListenPort, nil, nil,
		},
		"a command of the host, forked": {
			fn.Spec{Runtime: "exec", Mode: fn.ModeFork, Command: []string{"tool", "x"}}, files("a"),
			[]string{"/rouse/rouse", "watchdog", "--", bin + "/tool", "x"}, fn.ListenSocket, nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := s.Resolve(c.spec, c.source)
			if err != nil {
				t.Fatal(err)
			}
			var steps, placed []string
			for _, st := range p.Steps {
				steps = append(steps, st.Name)
			}
			for _, f := range p.Files {
				placed = append(placed, f.To)
			}
			if diff := cmp.Diff(c.command, p.Program.Command); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.steps, steps); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.files, placed); diff != "" {
				t.Error(diff)
			}
			if p.Program.Listen != c.listen || p.Program.Contract != "http" || len(p.Digest) != 64 {
				t.Errorf("listen %s, contract %s, digest %q", p.Program.Listen, p.Program.Contract, p.Digest)
			}
		})
	}
}

func TestResolveReadsTheModuleOfGoMod(t *testing.T) {
	s := builtin(t, host(t, "go"))
	p, err := s.Resolve(fn.Spec{Runtime: "go", Handler: "fn/h.go"}, files("fn/h.go", "go.mod=// x\nmodule \"example.com/a\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Values["module"] != "example.com/a" || p.Values["handler_path"] != "/fn" {
		t.Errorf("got %v", p.Values)
	}
	if _, err := s.Resolve(fn.Spec{Runtime: "go"}, files("h.go", "go.mod=module a\\b\n")); !errors.Is(err, fn.Invalid) {
		t.Errorf("a module path with a backslash gave %v", err)
	}
}

func TestResolveTellsWhatCannotWork(t *testing.T) {
	s := builtin(t, host(t, "python3", "bash", "node"))
	for name, c := range map[string]struct {
		spec   fn.Spec
		source fstest.MapFS
		want   []string
	}{
		"unknown runtime": {fn.Spec{Runtime: "cobol"}, files("a"), []string{`"cobol" is not one of bash, exec, go`}},
		"no handler": {
			fn.Spec{Runtime: "python"}, files("readme.txt"),
			[]string{"looked for handler.py, main.py, app.py"},
		},
		"a handler that is not there": {fn.Spec{Runtime: "python", Handler: "x.py"}, files("handler.py"), []string{`no file "x.py"`}},
		"a handler outside":           {fn.Spec{Runtime: "python", Handler: "../x.py"}, files("handler.py"), []string{`no file "../x.py"`}},
		"missing interpreter":         {fn.Spec{Runtime: "ruby"}, files("handler.rb"), []string{"needs the program ruby", "install the package ruby"}},
		"missing package manager": {
			fn.Spec{Runtime: "python"}, files("handler.py", "requirements.txt"),
			[]string{"needs the program pip3", "install the package python3-pip"},
		},
		"two mistakes at once": {
			fn.Spec{Runtime: "ruby"}, files("a", ".rouse/x"),
			[]string{"looked for handler.rb", "install the package ruby", "the folder .rouse"},
		},
		"a mode it does not have":     {fn.Spec{Runtime: "bash", Mode: fn.ModeHandler}, files("main.sh"), []string{"runtime bash has fork, server, not handler"}},
		"a command for a handler":     {fn.Spec{Runtime: "python", Mode: fn.ModeHandler, Command: []string{"x"}}, files("handler.py"), []string{"a handler is called by"}},
		"an executable that is not":   {fn.Spec{Runtime: "exec"}, files("run"), []string{`"run" is not executable`}},
		"a command that is not there": {fn.Spec{Runtime: "exec", Command: []string{"./x"}}, files("run"), []string{`no file "./x"`}},
		"an unknown host command":     {fn.Spec{Runtime: "exec", Command: []string{"x"}}, files("run"), []string{`neither a file of the source nor a program of this host`}},
		"a folder as handler":         {fn.Spec{Runtime: "node", Handler: "d"}, files("d/index.js"), []string{`no file "d"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Resolve(c.spec, c.source)
			if !errors.Is(err, fn.Invalid) {
				t.Fatalf("got %v, want an Invalid error", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestResolveDigestFollowsWhatIsBuilt(t *testing.T) {
	dir := host(t, "python3")
	s := builtin(t, dir)
	digest := func(spec fn.Spec, source fs.FS) string {
		t.Helper()
		p, err := s.Resolve(spec, source)
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest
	}
	source := files("handler.py", "main.py")
	first := digest(fn.Spec{Runtime: "python"}, source)
	if again := digest(fn.Spec{Runtime: "python", Env: map[string]string{"A": "b"}}, source); again != first {
		t.Error("the function's environment changed the digest of its build")
	}
	if other := digest(fn.Spec{Runtime: "python", Handler: "main.py"}, source); other == first {
		t.Error("another handler has the same digest")
	}
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte("newer"), 0o755); err != nil {
		t.Fatal(err)
	}
	if other := digest(fn.Spec{Runtime: "python"}, source); other == first {
		t.Error("an upgraded interpreter has the same digest")
	}
}

func TestDetectFindsTheLanguage(t *testing.T) {
	s := builtin(t)
	for _, c := range []struct{ file, want string }{
		{"handler.py", "python"}, {"go.mod", "go"}, {"package.json", "node"}, {"x.sh", "bash"}, {"Gemfile", "ruby"},
	} {
		if got, err := s.Detect(files(c.file)); got != c.want {
			t.Errorf("%s: got %q, %v; want %s", c.file, got, err, c.want)
		}
	}
	if got, err := s.Detect(files("handler.py", "deploy.sh")); got != "python" {
		t.Errorf("a handler beside a script: got %q, %v", got, err)
	}
	for _, in := range []fstest.MapFS{files("a.txt"), files("x.py", "y.rb")} {
		if got, err := s.Detect(in); !errors.Is(err, fn.Invalid) || !strings.Contains(fn.Hint(err), "python") {
			t.Errorf("got %q, %v; want an Invalid error that names the runtimes", got, err)
		}
	}
}

const tiny = "title: T\nsummary: S\nhandler: [a]\nartifact: source\nmodes: [{mode: server, listen: port, command: [x]}]\n"

func TestLoadTakesAFolderOnDiskOverABuiltinOne(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"python/runtime.yaml": tiny, "perl/runtime.yaml": tiny, ".git/runtime.yaml": "x", "notes/readme": "x"} {
		full := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Load(templates.FS, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Get("python")
	if err != nil || r.Title != "T" || !slices.Contains(s.Names(), "perl") || slices.Contains(s.Names(), "notes") {
		t.Errorf("got %v, %v, %v", r, err, s.Names())
	}
	if _, err := Load(templates.FS, filepath.Join(dir, "none"), nil); err != nil {
		t.Errorf("a missing folder: %v", err)
	}
}

func TestLoadRefusesADescriptionWithMistakes(t *testing.T) {
	for name, text := range map[string]string{
		"unknown field":   tiny + "colour: red\n",
		"no modes":        "title: T\nsummary: S\nartifact: source\n",
		"bad mode":        strings.Replace(tiny, "server", "lambda", 1),
		"bad listen":      strings.Replace(tiny, "port", "none", 1),
		"forked on port":  strings.Replace(tiny, "server", "fork", 1),
		"bad artifact":    strings.Replace(tiny, "source", "both", 1),
		"bad pattern":     tiny + "vars: {a: {file: b, text: '('}}\n",
		"no group":        tiny + "vars: {a: {file: b, text: 'x'}}\n",
		"escaping file":   tiny + "files: [{from: ../x, to: y}]\n",
		"missing file":    tiny + "files: [{from: x, to: y}]\n",
		"step without":    tiny + "build: [{name: a}]\n",
		"program path":    tiny + "requires: [{program: /bin/sh, package: x}]\n",
		"not yaml at all": "{",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(fstest.MapFS{"x/runtime.yaml": {Data: []byte(text)}}, "", nil)
			if !errors.Is(err, fn.Invalid) || !strings.Contains(err.Error(), "runtime x") {
				t.Errorf("got %v, want an Invalid error that names the runtime", err)
			}
		})
	}
}

func TestNewWritesStarterFilesThatResolve(t *testing.T) {
	s := builtin(t, host(t, "python3", "bash", "node", "go", "ruby"))
	for _, r := range s.All() {
		t.Run(r.Name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "f")
			names, err := r.New(dir, "my-fn")
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
			if err != nil {
				t.Fatal(err)
			}
			list, err := manifest.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if list[0].Name != "my-fn" || !slices.Contains(names, "README.md") {
				t.Errorf("got %+v and files %v", list[0], names)
			}
			if _, err := s.Resolve(list[0].Spec, os.DirFS(dir)); err != nil {
				t.Error(err)
			}
			if _, err := r.New(dir, "my-fn"); !errors.Is(err, fn.Conflict) {
				t.Errorf("a second time: %v", err)
			}
		})
	}
	if _, err := s.byName["go"].New(t.TempDir(), "Bad Name"); !errors.Is(err, fn.Invalid) {
		t.Errorf("a bad name: %v", err)
	}
}

func TestPlaceholdersReplaceOnlyWhatIsKnown(t *testing.T) {
	v := Values{"a": "1", "b": "{{a}}"}
	for in, want := range map[string]string{
		"x": "x", "{{a}}": "1", "{{b}}": "{{a}}", "{{c}}": "{{c}}", "{{{a}}": "{{{a}}", "{{a": "{{a", "{{ {{a}} }}": "{{ 1 }}", "[][]int{{1}}": "[][]int{{1}}",
	} {
		if got := v.In(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
