package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/manifest/stack"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs git in a repository and returns what it prints.
func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository has one template on its first commit, tagged v1, and two on main.
func repository(t *testing.T) (dir, first string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("the program git is not here")
	}
	dir = t.TempDir()
	run(t, dir, "init", "--quiet")
	write(t, dir, map[string]string{"template/py/template.yml": "language: py\nfprocess: one\n", "README.md": "x"})
	run(t, dir, "add", ".")
	run(t, dir, "commit", "--quiet", "-m", "one")
	run(t, dir, "tag", "v1")
	first = run(t, dir, "rev-parse", "HEAD")
	write(t, dir, map[string]string{"template/py/template.yml": "language: py\nfprocess: two\n", "template/sh/Dockerfile": "FROM x"})
	run(t, dir, "add", ".")
	run(t, dir, "commit", "--quiet", "-m", "two")
	run(t, dir, "config", "uploadpack.allowAnySHA1InWant", "true")
	return dir, first
}

func pull(t *testing.T, p Pull, source string) (Pulled, error) {
	t.Helper()
	src, err := ParseSource(source)
	if err != nil {
		t.Fatal(err)
	}
	p.Source, p.Folder = src, src.Path
	return p.Do(t.Context())
}

func TestPullFromARepository(t *testing.T) {
	repo, first := repository(t)
	for ref, want := range map[string]string{"": "two", "#v1": "one", "#main": "two", "#" + first: "one", "#sha-" + first: "one"} {
		project := t.TempDir()
		got, err := pull(t, Pull{Project: project, Only: []string{"py"}}, "file://"+repo+ref)
		if diff := cmp.Diff(Pulled{Written: []string{"py"}}, got); diff != "" || err != nil {
			t.Errorf("%s: %s%v", ref, diff, err)
			continue
		}
		l, err := Language(project, "py")
		if err != nil || l.FProcess != want {
			t.Errorf("%s: %+v, %v; want %s", ref, l, err, want)
		}
		if _, err := os.Stat(filepath.Join(project, "README.md")); err == nil {
			t.Errorf("%s: more than templates was brought", ref)
		}
	}
}

func TestPullKeepsWhatIsThereUnlessToldOtherwise(t *testing.T) {
	repo, _ := repository(t)
	project := t.TempDir()
	write(t, project, map[string]string{"template/py/mine": "mine"})
	got, err := pull(t, Pull{Project: project}, repo) // a folder as it is
	if diff := cmp.Diff(Pulled{Written: []string{"sh"}, Kept: []string{"py"}}, got); diff != "" || err != nil {
		t.Fatalf("%s%v", diff, err)
	}
	if read(t, project, "template/py/mine") != "mine" {
		t.Error("the project's own template is gone")
	}
	got, err = pull(t, Pull{Project: project, Overwrite: true}, repo+"#v1") // a folder by git
	if diff := cmp.Diff(Pulled{Written: []string{"py"}}, got); diff != "" || err != nil {
		t.Fatalf("%s%v", diff, err)
	}
	if _, err := os.Stat(filepath.Join(project, "template/py/mine")); err == nil {
		t.Error("the replaced template has files of the old one")
	}
	names, err := List(project)
	if diff := cmp.Diff([]string{"py", "sh"}, names); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
}

func TestPullSaysWhatIsWrong(t *testing.T) {
	repo, _ := repository(t)
	empty := t.TempDir()
	write(t, empty, map[string]string{"template/file": "no folder"})
	for name, row := range map[string]struct {
		source string
		only   []string
		kind   fn.Kind
		says   string
	}{
		"no such branch":     {"file://" + repo + "#nowhere", nil, fn.Unavailable, "nowhere"},
		"no such repository": {"file:///nowhere/at/all", nil, fn.Unavailable, "nowhere/at/all"},
		"no such template":   {repo, []string{"cobol"}, fn.NotFound, "cobol"},
		"no templates":       {empty, nil, fn.NotFound, "no templates"},
		"no folder":          {filepath.Join(empty, "x"), nil, fn.NotFound, "no folder"},
	} {
		t.Run(name, func(t *testing.T) {
			project := t.TempDir()
			_, err := pull(t, Pull{Project: project, Only: row.only}, row.source)
			if fn.KindOf(err) != row.kind || !strings.Contains(err.Error(), row.says) {
				t.Errorf("got %v, want %s saying %q", err, row.kind, row.says)
			}
			if names, _ := List(project); len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

func TestNothingOfARepositoryRunsOrLeadsOut(t *testing.T) {
	repo, _ := repository(t)
	marker := filepath.Join(t.TempDir(), "ran")
	hooks := t.TempDir()
	write(t, hooks, map[string]string{"post-checkout": "#!/bin/bash\ntouch " + marker + "\n"})
	t.Setenv("GIT_CONFIG_COUNT", "1") // as a careless configuration would
	t.Setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
	t.Setenv("GIT_CONFIG_VALUE_0", hooks)
	t.Setenv("GIT_DIR", filepath.Join(hooks, "elsewhere"))
	if _, err := pull(t, Pull{Project: t.TempDir()}, "file://"+repo); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("a hook ran")
	}
	os.Unsetenv("GIT_DIR")
	if err := os.Symlink("/etc", filepath.Join(repo, "template", "sh", "etc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", filepath.Join(repo, "template", "whole")); err != nil {
		t.Fatal(err)
	}
	run(t, repo, "add", ".")
	run(t, repo, "commit", "--quiet", "-m", "links")
	project := t.TempDir()
	if _, err := pull(t, Pull{Project: project}, "file://"+repo); !errors.Is(err, fn.Invalid) {
		t.Errorf("a link out of the template: %v", err)
	}
	if names, err := List(project); err != nil || !cmp.Equal(names, []string{"py"}) {
		t.Errorf("templates: %v, %v", names, err)
	}
}

func TestParseSource(t *testing.T) {
	const sha = "0123456789012345678901234567890123456789"
	for in, want := range map[string]Source{
		"https://example.com/t.git":          {URL: "https://example.com/t.git"},
		"https://example.com/t.git#v1.2":     {URL: "https://example.com/t.git", Ref: "v1.2"},
		"git@example.com:org/t#feature/x":    {URL: "git@example.com:org/t", Ref: "feature/x"},
		"ssh://git@example.com/t#sha-" + sha: {URL: "ssh://git@example.com/t", SHA: sha},
		"git://example.com/t#" + sha:         {URL: "git://example.com/t", SHA: sha},
		"file:///srv/t":                      {URL: "file:///srv/t"},
		"./folder":                           {Path: "./folder"},
		"../folder#v1":                       {Path: "../folder", Ref: "v1"},
	} {
		got, err := ParseSource(in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %s%v", in, diff, err)
		}
	}
	for _, in := range []string{
		"", "#v1", "--upload-pack=touch /tmp/x", "-x", "http://example.com/t", "ext::sh -c id", "ftp://example.com/t",
		"https://-oProxyCommand=x/t", "https:///t", "https://example.com/t#-x", "https://example.com/t#a..b", "https://example.com/t#a b",
		"https://example.com/t\nx", "ssh://-oProxyCommand=x/t", "HTTPS+x://a/b", "transport::address",
	} {
		if got, err := ParseSource(in); !errors.Is(err, fn.Invalid) {
			t.Errorf("%q: %+v, %v; want an Invalid error", in, got, err)
		}
	}
	s, err := ParseSource("https://me:secret@example.com/t#v1")
	if err != nil || strings.Contains(s.String(), "secret") {
		t.Errorf("%s, %v", s, err)
	}
}

func FuzzParseSource(f *testing.F) {
	for _, s := range []string{"https://example.com/t.git#v1", "git@example.com:t", "-x", "ext::sh", "./a", "file:///x#sha-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ParseSource(in)
		if err != nil {
			return
		}
		for _, word := range []string{s.URL, s.Path, s.Ref, s.SHA} {
			if strings.HasPrefix(word, "-") {
				t.Fatalf("%q gives an option: %+v", in, s)
			}
		}
	})
}

func TestStore(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/store.json":
			_, _ = w.Write([]byte(`[{"template":"py","source":"one","repo":"https://example.com/1"},{"template":"py","source":"two","repo":"https://example.com/2"}]`))
		case "/long":
			_, _ = w.Write(make([]byte, stack.MaxBytes+1))
		default:
			http.NotFound(w, r)
		}
	}))
	defer web.Close()
	entries, err := Store(t.Context(), web.URL+"/store.json", "test")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"py": "https://example.com/1", "two/py": "https://example.com/2", "three/py": "", "x": ""} {
		if e, err := Find(entries, name); e.Repo != want || (err == nil) != (want != "") {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	for path, kind := range map[string]fn.Kind{"/long": fn.TooLarge, "/nothing": fn.Unavailable} {
		if _, err := Store(t.Context(), web.URL+path, "test"); fn.KindOf(err) != kind {
			t.Errorf("%s: %v", path, err)
		}
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if _, err := Store(t.Context(), gone.URL, "test"); fn.KindOf(err) != fn.Unavailable || strings.Count(err.Error(), gone.URL) != 1 || !strings.Contains(fn.Hint(err), "--from") {
		t.Errorf("nobody answers: %v, hint %q", err, fn.Hint(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Text(ctx, web.URL+"/store.json", "test"); err == nil {
		t.Error("a text after the user left")
	}
	if _, err := Text(t.Context(), "file:///etc/passwd", "test"); !errors.Is(err, fn.Invalid) {
		t.Errorf("a file as web address: %v", err)
	}
}
