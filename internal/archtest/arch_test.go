package archtest

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "rouse.dev/rouse"

// pkg is what "go list" says of a package of ours.
type pkg struct {
	ImportPath, Dir       string
	GoFiles, TestGoFiles  []string
	XTestGoFiles, Imports []string
}

// area is the package's path below the module: "internal/pool", "api".
func (p pkg) area() string { return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/") }

// ours returns the imports that are packages of this module, as areas.
func (p pkg) ours() []string {
	var out []string
	for _, i := range p.Imports {
		if after, ok := strings.CutPrefix(i, module+"/"); ok {
			out = append(out, after)
		}
	}
	return out
}

func load(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("reading go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only: the rules would hold of nothing", len(all))
	}
	return all
}

// layers is the house from the ground up: a package may import packages of
// its own layer or below, never above. A folder not named here takes the layer
// of the longest prefix that is.
var layers = [][]string{
	{"api", "internal/fn", "internal/wire", "internal/memnet", "internal/archtest", "internal/contract", "internal/pebbledb"},
	{"client", "internal/route", "internal/scale", "internal/conf", "internal/auth", "internal/secret", "internal/manifest", "internal/watchdog", "internal/bundles", "internal/dialect/openfaas/deployment", "templates"},
	{"internal/engine", "internal/store", "internal/queue", "internal/logs", "internal/observe", "internal/datadir"},
	{"internal/build", "internal/pool", "internal/async", "internal/timer"},
	{"internal/control", "internal/gateway"},
	{"internal/dialect", "internal/cli"},
	{"internal/app"},
	{"cmd", "test"},
}

func layerOf(area string) int {
	best, at := "", -1
	for n, names := range layers {
		for _, name := range names {
			if below(area, name) && len(name) > len(best) {
				best, at = name, n
			}
		}
	}
	return at
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range load(t) {
		at := layerOf(p.area())
		if at < 0 {
			t.Errorf("%s has no layer: name its folder in layers, at the lowest place that works", p.area())
			continue
		}
		for _, i := range p.ours() {
			if layerOf(i) > at {
				t.Errorf("%s imports %s, which lies above it", p.area(), i)
			}
		}
	}
}

// adapters implement a port. Only app may import them, besides their own
// sub-packages.
var adapters = []string{"internal/engine/process", "internal/store/pebble", "internal/store/memory", "internal/queue/pebble", "internal/queue/memory"}

func TestOnlyAppImportsAdapters(t *testing.T) {
	for _, p := range load(t) {
		for _, i := range p.ours() {
			for _, a := range adapters {
				if below(i, a) && !below(p.area(), a) && p.area() != "internal/app" && !strings.HasPrefix(p.area(), "test/") {
					t.Errorf("%s imports the adapter %s; only internal/app may", p.area(), i)
				}
			}
		}
	}
}

// forbidden says what must not depend on what although the layers would
// allow it, and why: neither itself nor through any other package of ours.
var forbidden = []struct{ from, to, why string }{
	{"internal/gateway", "internal/dialect", "the data path knows no dialect"},
	{"internal/gateway", "internal/control", "the data path uses route and pool only"},
	{"internal/dialect", "internal/gateway", "a dialect translates, it does not serve calls"},
	{"internal/cli", "internal/control", "the CLI talks through client only"},
	{"internal/cli", "internal/engine", "the CLI talks through client only"},
	{"internal/cli", "internal/pool", "the CLI talks through client only"},
	{"internal/cli", "internal/store", "the CLI talks through client only"},
	{"internal/cli", "internal/queue", "the CLI talks through client only"},
	{"internal/cli", "internal/gateway", "the CLI talks through client only"},
	{"internal/store", "internal/engine", "state does not run anything"},
	{"internal/engine", "internal/store", "an engine keeps no state of its own"},
	{"client", "internal", "client is public: it may use api only"},
	{"api", "internal", "api is public and stands alone"},
}

// below reports whether an area is a folder, or lies in it.
func below(area, folder string) bool { return area == folder || strings.HasPrefix(area, folder+"/") }

// way returns the shortest chain of imports from an area into a folder, both
// ends included; nil if there is none.
func way(imports map[string][]string, from, folder string) []string {
	came := map[string]string{from: ""}
	for next := []string{from}; len(next) > 0; next = next[1:] {
		at := next[0]
		if at != from && below(at, folder) {
			var chain []string
			for ; at != ""; at = came[at] {
				chain = append(chain, at)
			}
			slices.Reverse(chain)
			return chain
		}
		for _, i := range imports[at] {
			if _, seen := came[i]; !seen {
				came[i] = at
				next = append(next, i)
			}
		}
	}
	return nil
}

func TestForbiddenDependencies(t *testing.T) {
	all, imports := load(t), map[string][]string{}
	for _, p := range all {
		imports[p.area()] = p.ours()
	}
	for _, p := range all {
		for _, rule := range forbidden {
			if !below(p.area(), rule.from) {
				continue
			}
			if chain := way(imports, p.area(), rule.to); chain != nil {
				t.Errorf("%s: %s", strings.Join(chain, " imports "), rule.why)
			}
		}
	}
}

func TestWayIsTheShortestChainOfImports(t *testing.T) {
	imports := map[string][]string{"a": {"b", "c"}, "b": {"d"}, "c": {"c/x", "d"}, "d": {"e/f", "eel"}, "e/f": {"a"}}
	for folder, want := range map[string]string{"e": "a b d e/f", "c": "a c", "eel": "a b d eel", "g": "", "a": ""} {
		if got := strings.Join(way(imports, "a", folder), " "); got != want {
			t.Errorf("into %s: %q, want %q", folder, got, want)
		}
	}
}

// pure packages are decided without I/O: no network, files, processes.
var pure = []string{"internal/fn", "internal/route", "internal/scale", "internal/dialect/openfaas/deployment", "api"}

func TestPurePackagesDoNoIO(t *testing.T) {
	io := []string{"os", "net", "os/exec", "io/ioutil", "syscall"}
	for _, p := range load(t) {
		if !slices.Contains(pure, p.area()) {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(io, i) || strings.Contains(strings.SplitN(i, "/", 2)[0], ".") && !strings.HasPrefix(i, module) {
				t.Errorf("%s imports %s, but is to be pure", p.area(), i)
			}
		}
		for _, i := range p.ours() {
			if !slices.Contains(pure, i) {
				t.Errorf("%s imports %s, which is not known to be pure", p.area(), i)
			}
		}
	}
}

func TestAreasHaveNoCycles(t *testing.T) {
	// Packages cannot cycle; areas (the first folder below internal) could.
	top := func(area string) string {
		parts := strings.Split(area, "/")
		if parts[0] == "internal" && len(parts) > 1 {
			return parts[1]
		}
		return parts[0]
	}
	edges := map[string]map[string]bool{}
	for _, p := range load(t) {
		for _, i := range p.ours() {
			if from, to := top(p.area()), top(i); from != to {
				if edges[from] == nil {
					edges[from] = map[string]bool{}
				}
				edges[from][to] = true
			}
		}
	}
	var visit func(at string, path []string)
	done := map[string]bool{}
	visit = func(at string, path []string) {
		if n := slices.Index(path, at); n >= 0 {
			t.Errorf("areas import each other in a circle: %s", strings.Join(append(path[n:], at), " → "))
			return
		}
		if done[at] {
			return
		}
		for next := range edges[at] {
			visit(next, append(slices.Clone(path), at))
		}
		done[at] = true
	}
	for from := range edges {
		visit(from, nil)
	}
}

func TestFoldersHaveNamesThatSaySomething(t *testing.T) {
	bad := []string{"util", "utils", "common", "types", "helpers", "misc", "base", "lib", "pkg"}
	for _, p := range load(t) {
		if slices.Contains(bad, filepath.Base(p.area())) {
			t.Errorf("%s: a name that says nothing", p.area())
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, p := range load(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		var doc strings.Builder
		for _, f := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, f), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil {
				doc.WriteString(file.Doc.Text())
			}
		}
		first, _, _ := strings.Cut(doc.String(), ".")
		switch {
		case doc.String() == "":
			t.Errorf("%s has no package comment", p.area())
		case strings.Contains(" "+first+" ", " and "):
			t.Errorf("%s: the first sentence of its comment has an \"and\": %q", p.area(), first)
		}
	}
}

func TestSourceKeepsTheHouseRules(t *testing.T) {
	for _, p := range load(t) {
		for _, name := range p.GoFiles {
			path := filepath.Join(p.Dir, name)
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			checkFile(t, p.area(), name, file)
		}
		for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if calls(file, "time", "Sleep") {
				t.Errorf("%s/%s sleeps on the clock: use testing/synctest or wait for what you wait for", p.area(), name)
			}
		}
	}
}

// apart are folders whose code does not run in the server: test suites, the
// shim that is compiled into functions.
var apart = []string{"cmd", "test", "templates/go", "internal/engine/enginetest", "internal/store/storetest", "internal/queue/queuetest"}

// excused are the files that may break a rule, and why.
var excused = map[string]string{
	"internal/watchdog/watchdog.go":     "runs as a process of its own: its environment is the function's",
	"internal/engine/process/engine.go": "New takes no context; what it starts ends with Close",
}

func checkFile(t *testing.T, area, name string, file *ast.File) {
	where := area + "/" + name
	if excused[where] != "" || slices.ContainsFunc(apart, func(a string) bool { return below(area, a) }) {
		return
	}
	if (calls(file, "os", "Getenv") || calls(file, "os", "LookupEnv") || calls(file, "os", "Environ")) && area != "internal/app" {
		t.Errorf("%s reads the environment: conf does that, once", where)
	}
	if calls(file, "context", "Background") || calls(file, "context", "TODO") {
		t.Errorf("%s makes a root context: take one from the caller", where)
	}
	if calls(file, "log", "Printf") || calls(file, "log", "Println") || calls(file, "log", "Fatal") || calls(file, "slog", "SetDefault") || calls(file, "slog", "Default") {
		t.Errorf("%s logs through a global: use the logger it was given", where)
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			t.Errorf("%s has an init function", where)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			switch strings.Trim(lit.Value, "`\"") {
			case "/bin/sh", "/bin/bash", "sh", "cmd.exe":
				t.Errorf("%s names a shell: run programs by argument lists", where)
			}
		}
		return true
	})
}

// calls reports whether the file calls pkg.fun.
func calls(file *ast.File, pkg, fun string) bool {
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if s, ok := c.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == fun {
				if id, ok := s.X.(*ast.Ident); ok && id.Name == pkg {
					found = true
				}
			}
		}
		return !found
	})
	return found
}
