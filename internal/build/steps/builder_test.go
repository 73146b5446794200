package steps

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/templates"
)

// tree writes files; a name ending in "*" is executable.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	top := t.TempDir()
	for name, body := range files {
		mode := fs.FileMode(0o600)
		name, exec := strings.CutSuffix(name, "*")
		if exec {
			mode = 0o700
		}
		full := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o750), os.WriteFile(full, []byte(body), mode)); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// scripted makes a builder whose runtime "x" runs one shell script as its
// build step: tests alone may use a shell.
func scripted(t testing.TB, script string, change func(*Config)) *Builder {
	t.Helper()
	dir := tree(t, map[string]string{
		"x/step.sh": script,
		"x/runtime.yaml": `{title: X, summary: x, handler: [h], artifact: source, modes: [{mode: server, listen: port, command: [/function/h]}],
			requires: [{program: sh, package: dash}],
			build: [{name: script, run: [sh, "{{runtime}}/step.sh"], cwd: "{{source}}", env: {OUT: "{{out}}", CACHE: "{{cache}}"}}]}`,
	})
	return newBuilder(t, func(c *Config) {
		set, err := runtimes.Load(templates.FS, dir, searched)
		if err != nil {
			t.Fatal(err)
		}
		c.Runtimes = set
		if change != nil {
			change(c)
		}
	})
}

// clean checks that a failed build left nothing.
func leavesNothing(t *testing.T, b *Builder) {
	t.Helper()
	for _, dir := range []string{b.cfg.Work, b.cfg.Artifacts} {
		if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
			t.Errorf("%s holds %v, %v", dir, left, err)
		}
	}
}

func silent(build.Event) {}

func TestBuildTellsItsProgress(t *testing.T) {
	b := scripted(t, "echo one; printf 'two\\rthree\\n'; printf '\\033[31mred\\033[0m' >&2", nil)
	var got []string
	_, err := b.Build(t.Context(), request(t, tree(t, map[string]string{"h": ""}), fn.Spec{Runtime: "x"}), func(e build.Event) {
		if e.Done {
			e.Line = "done"
		}
		got = append(got, e.Step+":"+e.Line)
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got[1 : len(got)-1]) // two streams, in no order
	if want := []string{"script:", "script:one", "script:red", "script:three", "script:done"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBuildKeepsANormalisedTree(t *testing.T) {
	b := scripted(t, "chmod 4777 h; mkfifo pipe; mkdir -m 0 closed; ln -s closed link; echo x > made; chmod 600 made; echo x > $CACHE/kept", nil)
	source := tree(t, map[string]string{"h": "one"})
	a, root := mustBuild(t, b, request(t, source, fn.Spec{Runtime: "x"}))
	for name, want := range map[string]fs.FileMode{"h": 0o755, "made": 0o644, "closed": fs.ModeDir | 0o755, "link": fs.ModeSymlink | 0o777, ".": fs.ModeDir | 0o755} {
		if info, err := os.Lstat(filepath.Join(root, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: got %v, %v; want %v", name, info, err, want)
		}
	}
	if _, err := os.Lstat(filepath.Join(root, "pipe")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pipe was kept: %v", err)
	}
	if info, err := os.Stat(filepath.Join(source, "h")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the source was changed: %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(b.cfg.Caches, "default", "x", "kept")); err != nil {
		t.Errorf("the cache was not kept: %v", err)
	}
	again, _ := mustBuild(t, b, request(t, source, fn.Spec{Runtime: "x"}))
	if again.Digest != a.Digest || a.Size != 5 {
		t.Errorf("the same source gave %s and %s, %d bytes", a.Digest, again.Digest, a.Size)
	}
	if left, _ := os.ReadDir(b.cfg.Work); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestBuildThatFailsShowsItsLastLines(t *testing.T) {
	b := scripted(t, "i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; exit 7", nil)
	lines := 0
	_, err := b.Build(t.Context(), request(t, tree(t, map[string]string{"h": ""}), fn.Spec{Runtime: "x"}), func(e build.Event) {
		if e.Line != "" {
			lines++
		}
	})
	f, ok := errors.AsType[*fn.Failure](err)
	if !ok || !errors.Is(err, fn.Invalid) || f.Phase != build.Phase || f.Exit != "exit status 7" || len(f.Output) != fn.MaxFailureOutput || f.Output[19] != "line 49" {
		t.Errorf("got %#v", err)
	}
	if lines != 50 {
		t.Errorf("%d lines were shown", lines)
	}
	leavesNothing(t, b)
}

func TestBuildIsStopped(t *testing.T) {
	req := func(t *testing.T) build.Request {
		return request(t, tree(t, map[string]string{"h": ""}), fn.Spec{Runtime: "x"})
	}
	t.Run("by its caller", func(t *testing.T) {
		b := scripted(t, "echo begun; sleep 1000", nil)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := b.Build(ctx, req(t), func(e build.Event) {
			if e.Line == "begun" {
				cancel()
			}
		})
		if !errors.Is(err, fn.Canceled) {
			t.Errorf("got %v", err)
		}
		leavesNothing(t, b)
	})
	t.Run("by the clock", func(t *testing.T) {
		b := scripted(t, "sleep 1000", func(c *Config) { c.Limits.Timeout = 200 * time.Millisecond })
		_, err := b.Build(t.Context(), req(t), silent)
		if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Kind != fn.Timeout || f.Limit != "timeout=200ms" {
			t.Errorf("got %v", err)
		}
		leavesNothing(t, b)
	})
	t.Run("by a full disk", func(t *testing.T) {
		b := scripted(t, "head -c 3000000 /dev/zero > big; sleep 1000", func(c *Config) { c.MaxWork, c.Watch = 1<<20, 10*time.Millisecond })
		_, err := b.Build(t.Context(), req(t), silent)
		if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Kind != fn.TooLarge || f.Hint == "" {
			t.Errorf("got %v", err)
		}
		leavesNothing(t, b)
	})
	t.Run("by the size of what it made", func(t *testing.T) {
		b := scripted(t, "head -c 3000000 /dev/zero > big", func(c *Config) { c.MaxArtifact = 1 << 20 })
		if _, err := b.Build(t.Context(), req(t), silent); !errors.Is(err, fn.TooLarge) {
			t.Errorf("got %v", err)
		}
		leavesNothing(t, b)
	})
}

func TestBuildFollowsNoLinkInPlaceOfItsFolder(t *testing.T) {
	outside := tree(t, map[string]string{"secret": "x"})
	b := scripted(t, "cd /; rm -r $OUT; ln -s "+outside+" $OUT", nil)
	if _, err := b.Build(t.Context(), request(t, tree(t, map[string]string{"h": ""}), fn.Spec{Runtime: "x"}), silent); !errors.Is(err, fn.Invalid) {
		t.Errorf("got %v", err)
	}
	if info, err := os.Stat(filepath.Join(outside, "secret")); err != nil || info.Mode() != 0o600 {
		t.Errorf("it reached outside: %v, %v", info, err)
	}
	leavesNothing(t, b)
}

func TestBuildRefusesALinkThatNoBackupCouldHold(t *testing.T) {
	for _, target := range []string{"/etc/passwd", "../../other/a", "h/../../x"} {
		b := scripted(t, "ln -s "+target+" l", nil)
		_, err := b.Build(t.Context(), request(t, tree(t, map[string]string{"h": ""}), fn.Spec{Runtime: "x"}), silent)
		if !errors.Is(err, fn.Invalid) || !strings.Contains(err.Error(), target) || fn.Hint(err) == "" {
			t.Errorf("a link to %s: %v", target, err)
		}
		leavesNothing(t, b)
	}
	b := scripted(t, "mkdir d && ln -s ../h d/l", nil)
	if _, err := b.Build(t.Context(), request(t, tree(t, map[string]string{"h": ""}), fn.Spec{Runtime: "x"}), silent); err != nil {
		t.Errorf("a link inside the function: %v", err)
	}
}

func TestBuildRefusesASourceWithThePlatformsNames(t *testing.T) {
	b := newBuilder(t, nil)
	need(t, b, "go")
	dir := tree(t, map[string]string{"h.go": "package h", "zz_rouse/main.go": "package main"})
	if _, err := b.Build(t.Context(), request(t, dir, fn.Spec{Runtime: "go"}), silent); !errors.Is(err, fn.Invalid) || !strings.Contains(err.Error(), "zz_rouse/main.go") {
		t.Errorf("got %v", err)
	}
	leavesNothing(t, b)
}

// ended is a Runner whose steps end at once in a given way.
type ended struct{ exit engine.Exit }

func (e ended) Start(context.Context, engine.Spec) (engine.Instance, error) {
	done := make(chan struct{})
	close(done)
	return &endedInstance{process{done: done}, e.exit}, nil
}

type endedInstance struct {
	process
	exit engine.Exit
}

func (e *endedInstance) Exit() engine.Exit { return e.exit }

func TestBuildTellsHowAStepEnded(t *testing.T) {
	for want, exit := range map[string]engine.Exit{
		"out of memory (limit memory=64Mi)": {Code: -1, Signal: "killed", OOM: true, Limit: "memory=64Mi"},
		"signal: killed":                    {Code: -1, Signal: "killed"},
		"exit status 2":                     {Code: 2},
	} {
		b := scripted(t, "", func(c *Config) { c.Runner = ended{exit} })
		_, err := b.Build(t.Context(), request(t, tree(t, map[string]string{"h": ""}), fn.Spec{Runtime: "x"}), silent)
		if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Exit != want || strings.Contains(f.Hint, "rouse logs f --build") == exit.OOM || f.Limit != exit.Limit {
			t.Errorf("got %#v, want %s", err, want)
		}
	}
}

func TestStepsRunApartByNamespaceAndRuntime(t *testing.T) {
	run := &direct{}
	b := scripted(t, "echo $SECRET $ALLOWED >&2", func(c *Config) { c.Runner, c.Env = run, map[string]string{"ALLOWED": "yes"} })
	t.Setenv("SECRET", "no")
	dir := tree(t, map[string]string{"h": ""})
	req := request(t, dir, fn.Spec{Runtime: "x"})
	var said []string
	if _, err := b.Build(t.Context(), req, func(e build.Event) { said = append(said, e.Line) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(said, "yes") {
		t.Errorf("the step saw another environment: %q", said)
	}
	spec := run.specs[0]
	if spec.Program.Listen != fn.ListenNone || spec.Network != fn.NetworkOn || spec.Limits.Memory != 2<<30 || spec.Limits.Timeout != 10*time.Minute {
		t.Errorf("got %+v", spec)
	}
	if spec.Revision.Ref != (fn.Ref{Namespace: "default", Name: "build.x"}) || fn.ValidName(spec.Revision.Name) {
		t.Errorf("a build runs as %v, which a function could be", spec.Revision)
	}
	if cache := spec.Mounts[1]; cache.Source != filepath.Join(b.cfg.Caches, "default", "x") || !cache.Writable {
		t.Errorf("cache at %v", cache)
	}
	first, err := b.Key(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	req.Ref.Name = "another"
	if same, err := b.Key(t.Context(), req); same != first || err != nil {
		t.Errorf("another function of the namespace: %v", err)
	}
	req.Ref.Namespace = "other"
	if other, err := b.Key(t.Context(), req); other == first || err != nil {
		t.Errorf("another namespace shares the artifact: %v", err)
	}
}

func TestCacheIsEmptiedWhenItHasGrown(t *testing.T) {
	b := scripted(t, "head -c 600000 /dev/zero > $CACHE/$(date +%N); mkdir -p $CACHE/closed/x; chmod 500 $CACHE/closed", func(c *Config) { c.MaxWork = 2 << 20 })
	req := request(t, tree(t, map[string]string{"h": ""}), fn.Spec{Runtime: "x"})
	for range 3 {
		mustBuild(t, b, req)
	}
	files, _ := filepath.Glob(filepath.Join(b.cfg.Caches, "default", "x", "[0-9]*"))
	if len(files) != 1 {
		t.Errorf("%d files in the cache after a third build", len(files))
	}
}

func TestSweepRemovesWhatAKilledServerLeft(t *testing.T) {
	b := newBuilder(t, nil)
	left := filepath.Join(b.cfg.Work, "build-x", "closed")
	if err := errors.Join(os.MkdirAll(filepath.Join(left, "deep"), 0o755), os.Chmod(left, 0)); err != nil {
		t.Fatal(err)
	}
	if err := b.Sweep(); err != nil {
		t.Fatal(err)
	}
	leavesNothing(t, b)
}

func TestNewWantsAbsoluteFolders(t *testing.T) {
	if _, err := New(Config{Work: "work", Caches: "/x", Artifacts: "/y"}); !errors.Is(err, fn.Invalid) {
		t.Errorf("got %v", err)
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte("a\nb\rc\x1b[31md\x1b[0m\n"), 3)
	f.Add([]byte("\x1b\xff\x00\r\n\n"), 1)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		var lines []string
		o := &output{progress: func(e build.Event) { lines = append(lines, e.Line) }}
		w := o.writer()
		cut = min(max(cut, 0), len(data))
		for _, part := range [][]byte{data[:cut], data[cut:]} {
			if n, err := w.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		w.flush()
		for _, l := range lines {
			if len(l) > maxLine*3 || strings.ContainsFunc(l, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }) || strings.ToValidUTF8(l, "") != l {
				t.Fatalf("line %q of %q", l, data)
			}
		}
		if want := strings.Count(string(data), "\n"); len(lines) != want && len(lines) != want+1 {
			t.Fatalf("%d lines of %q", len(lines), data)
		}
	})
}
