package control_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"rouse.dev/rouse/internal/build"
	"rouse.dev/rouse/internal/build/runtimes"
	"rouse.dev/rouse/internal/build/source"
	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store/memory"
	"rouse.dev/rouse/templates"
)

// failingBuild is a builder that complains.
type failingBuild struct{}

func (failingBuild) Build(_ context.Context, _ build.Request, progress func(build.Event)) (fn.Artifact, error) {
	progress(build.Event{Step: "compile", Line: "no module named x"})
	return fn.Artifact{}, fn.Errorf(fn.Invalid, "step compile failed")
}

func TestOutputOfAFirstBuildThatFailedIsThere(t *testing.T) {
	ctx, ref := t.Context(), fn.Ref{Namespace: "team", Name: "f"}
	builds := build.Record(failingBuild{}, t.TempDir())
	known, err := runtimes.Load(templates.FS, "", []string{"/usr/bin"})
	if err != nil {
		t.Fatal(err)
	}
	c := control.New(control.Config{
		Store: memory.New(memory.Config{}), Builder: builds, Builds: builds, Runtimes: known, Log: slog.New(slog.DiscardHandler),
		Sources: control.Sources{Dir: t.TempDir(), Tmp: t.TempDir(), Limits: source.Limits{Packed: 1 << 20, Bytes: 1 << 20, Entries: 10}},
	})
	noOutput := func(when string) {
		t.Helper()
		out, err := c.BuildOutput(ctx, ref)
		if fn.KindOf(err) != fn.NotFound || fn.Hint(err) == "" {
			t.Errorf("%s: %v, %v", when, out, err)
		}
	}
	noOutput("without the namespace")
	if _, err := c.CreateNamespace(ctx, ref.Namespace, nil, nil); err != nil {
		t.Fatal(err)
	}
	noOutput("before a build")

	digest, err := c.AcceptSource(ctx, packed(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Deploy(ctx, control.Deploy{Ref: ref, Source: digest, Spec: fn.Spec{Runtime: "bash", Mode: fn.ModeFork, Policy: fn.Default()}}, func(control.Event) {})
	if fn.KindOf(err) != fn.Invalid {
		t.Fatal(err)
	}
	if _, err := c.Function(ctx, ref); fn.KindOf(err) != fn.NotFound {
		t.Errorf("the function: %v", err)
	}
	out, err := c.BuildOutput(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if text, err := io.ReadAll(out); err != nil || !strings.Contains(string(text), "no module named x") || !strings.Contains(string(text), "step compile failed") {
		t.Errorf("%q, %v", text, err)
	}

	if err := c.DeleteNamespace(ctx, ref.Namespace); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateNamespace(ctx, ref.Namespace, nil, nil); err != nil {
		t.Fatal(err)
	}
	noOutput("in another namespace of the same name")
}

func TestServerWithoutARecordOfBuilds(t *testing.T) {
	c := control.New(control.Config{Store: memory.New(memory.Config{})})
	if _, err := c.CreateNamespace(t.Context(), fn.DefaultNamespace, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.BuildOutput(t.Context(), fn.Ref{Namespace: fn.DefaultNamespace, Name: "f"}); fn.KindOf(err) != fn.NotFound {
		t.Error(err)
	}
}

// packed is a source archive with one file.
func packed(t *testing.T) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "f.x", Mode: 0o644, Size: 1, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "x"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}
