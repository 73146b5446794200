package control

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

// brought is a resolver of one reference.
type brought struct{ text string }

func (b brought) Resolve(_ context.Context, ref fn.ImageRef) (Bundle, error) {
	if ref.Name() != "docker.io/functions/alpine" {
		return Bundle{}, fn.NotFound
	}
	return Bundle{Spec: fn.Spec{Runtime: "python"}, Files: fstest.MapFS{"handler.py": {Data: []byte(b.text)}}}, nil
}

func (r *rig) alias(req ImageRequest) fn.Image {
	r.t.Helper()
	img, err := r.SetImage(r.t.Context(), req)
	if err != nil {
		r.t.Fatalf("aliasing %s: %v", req.Reference, err)
	}
	return img
}

func (r *rig) tryImage(ref fn.Ref, image string, spec fn.Spec) (View, error) {
	return r.Deploy(r.t.Context(), Deploy{Ref: ref, Image: image, Spec: spec}, func(Event) {})
}

func TestDeployByReferenceRunsTheBundle(t *testing.T) {
	r := newRig(t)
	base := fn.Spec{Runtime: "python", Handler: "handler.py", Env: map[string]string{"A": "bundle", "B": "bundle"}}
	base.Limits.Memory, base.Scale.Max = 64<<20, 3
	r.alias(ImageRequest{Reference: "docker.io/library/shop", Source: r.source("one"), Spec: base})
	top := fn.Spec{Env: map[string]string{"B": "deploy"}}
	top.Scale.Min = 2
	v, err := r.tryImage(alpha, "shop:latest", top)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"A": "bundle", "B": "deploy"}, v.Spec.Env); d != "" || v.Spec.Image != "shop:latest" ||
		v.Spec.Runtime != "python" || v.Spec.Limits.Memory != 64<<20 || v.Spec.Scale.Max != 3 || v.Spec.Scale.Min != 2 || v.Spec.Limits.CPU != fn.Default().Limits.CPU {
		t.Errorf("spec %+v %s", v.Spec, d)
	}
	if _, text := r.call(alpha); text != "one" {
		t.Errorf("runs %q", text)
	}
	// The reference may stand for something else later; what runs stays until the next deploy.
	r.alias(ImageRequest{Reference: "shop", Source: r.source("two"), Spec: base})
	if _, text := r.call(alpha); text != "one" {
		t.Errorf("after the alias was changed it runs %q", text)
	}
	if v, err := r.tryImage(alpha, "shop:latest", top); err != nil || v.Latest != 2 {
		t.Errorf("second deploy: %+v, %v", v.Latest, err)
	}
	if _, text := r.call(alpha); text != "two" {
		t.Errorf("after the second deploy it runs %q", text)
	}
	if v, err := r.tryImage(alpha, "shop:latest", top); err != nil || v.Latest != 2 {
		t.Errorf("the same again: %+v, %v", v.Latest, err)
	}
}

func TestImageOfARevisionRunsWhatTheRevisionRuns(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", func(d *Deploy) { d.Spec.Env = map[string]string{"A": "1"} })
	r.deploy(alpha, "two", nil)
	for number, want := range map[int]string{0: "two", 1: "one", 2: "two"} {
		img := r.alias(ImageRequest{Reference: "x/y", Revision: rev(alpha, number)})
		if img.From != "default/alpha:"+map[string]string{"one": "1", "two": "2"}[want] {
			t.Errorf("revision %d: from %s", number, img.From)
		}
		if _, err := r.tryImage(beta, "x/y", fn.Spec{}); err != nil {
			t.Fatal(err)
		}
		if _, text := r.call(beta); text != want {
			t.Errorf("revision %d: runs %q", number, text)
		}
	}
	_, err := r.SetImage(t.Context(), ImageRequest{Reference: "x/y", Revision: rev(alpha, 9)})
	mentions(t, err, fn.NotFound, "no revision 9")
	_, err = r.SetImage(t.Context(), ImageRequest{Reference: "x/y", Revision: rev(fn.Ref{Namespace: "default", Name: "none"}, 0)})
	mentions(t, err, fn.NotFound, "default/none")
}

func TestUnknownReferenceSaysHowToMakeItKnown(t *testing.T) {
	r := newRig(t)
	_, err := r.tryImage(fn.Ref{Namespace: "default", Name: "UP"}, "ghcr.io/a/b:1", fn.Spec{})
	mentions(t, err, fn.Invalid, "image: nothing on this server stands for ghcr.io/a/b:1", "name:")
	if h := fn.Hint(err); h != "make it stand for a folder or a function: rouse image alias ghcr.io/a/b:1 BUNDLE" {
		t.Errorf("hint %q", h)
	}
	_, err = r.tryImage(alpha, "a b", fn.Spec{})
	mentions(t, err, fn.Invalid, "image")
}

func TestResolversAreAskedAfterTheStore(t *testing.T) {
	r := newRig(t)
	r.cfg.Images = []Resolver{brought{"brought"}}
	for _, ref := range []string{"functions/alpine", "docker.io/functions/alpine:3.20"} {
		v, err := r.tryImage(alpha, ref, fn.Spec{})
		if err != nil || v.Spec.Image != ref {
			t.Fatalf("%s: %+v, %v", ref, v.Spec, err)
		}
		if _, text := r.call(alpha); text != "brought" {
			t.Errorf("%s runs %q", ref, text)
		}
	}
	r.alias(ImageRequest{Reference: "functions/alpine", Source: r.source("ours"), Spec: fn.Spec{Runtime: "python"}})
	if _, err := r.tryImage(alpha, "functions/alpine:latest", fn.Spec{}); err != nil {
		t.Fatal(err)
	}
	if _, text := r.call(alpha); text != "ours" {
		t.Errorf("an alias of a brought reference runs %q", text)
	}
	if left := r.files(r.dir.Tmp()); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestImagesAreListedAndRemoved(t *testing.T) {
	r := newRig(t)
	spec := fn.Spec{Runtime: "python"}
	for _, ref := range []string{"b", "a:1", "docker.io/library/b:latest"} {
		r.alias(ImageRequest{Reference: ref, Source: r.source("one"), Spec: spec})
	}
	var got []string
	list, err := r.Images(t.Context())
	for _, img := range list {
		got = append(got, img.Reference)
	}
	if d := cmp.Diff([]string{"a:1", "docker.io/library/b:latest"}, got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	if err := r.RemoveImage(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	mentions(t, r.RemoveImage(t.Context(), "b"), fn.NotFound, "stands for nothing")
	mentions(t, r.RemoveImage(t.Context(), ""), fn.Invalid, "empty")
	if list, err := r.Images(t.Context()); len(list) != 1 || err != nil {
		t.Errorf("left %v, %v", list, err)
	}
}

func TestImageRequestNamesAllMistakes(t *testing.T) {
	r := newRig(t)
	_, err := r.SetImage(t.Context(), ImageRequest{
		Reference: "a b", Source: r.source("one"), Revision: rev(alpha, 1), Spec: fn.Spec{Runtime: "cobol", Mode: "loud"},
	})
	mentions(t, err, fn.Invalid, "image:", "source: give", "cobol", "mode:")
	_, err = r.SetImage(t.Context(), ImageRequest{Reference: "a", Revision: fn.RevisionRef{Number: -1}})
	mentions(t, err, fn.Invalid, "revision:", "name:")
	_, err = r.SetImage(t.Context(), ImageRequest{Reference: "a", Source: "sha256:" + artifact("none"), Spec: fn.Spec{Runtime: "python"}})
	mentions(t, err, fn.NotFound, "no source")
	if list, _ := r.Images(t.Context()); len(list) > 0 {
		t.Errorf("made %v", list)
	}
}

func TestWhatImagesNeedIsKeptAndBackedUp(t *testing.T) {
	r := newRig(t)
	tree := r.alias(ImageRequest{Reference: "a", Source: r.source("one"), Spec: fn.Spec{Runtime: "python"}}).Tree
	r.deploy(alpha, "two", nil)
	r.alias(ImageRequest{Reference: "b", Revision: rev(alpha, 1)})
	if err := r.Remove(t.Context(), alpha); err != nil {
		t.Fatal(err)
	}
	gone := func() []string { return slices.Sorted(slices.Values(r.files(r.dir.Artifacts()))) }
	want := slices.Sorted(slices.Values([]string{artifactName(tree), artifact("two")}))
	r.engine.await(t)
	r.collect(time.Now().Add(sourceAge + time.Hour))
	if d := cmp.Diff(want, gone()); d != "" {
		t.Errorf("after a collection: %s", d)
	}
	var backup bytes.Buffer
	if err := r.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	other := newRig(t)
	if _, err := other.Restore(t.Context(), bytes.NewReader(backup.Bytes()), false); err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]string{"a": "one", "b": "two"} {
		if _, err := other.tryImage(beta, image, fn.Spec{}); err != nil {
			t.Fatal(err)
		}
		if _, text := other.call(beta); text != want {
			t.Errorf("%s, restored, runs %q", image, text)
		}
	}
	for _, ref := range []string{"a", "b"} {
		if err := r.RemoveImage(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
	}
	r.collect(time.Now())
	if left := gone(); len(left) > 0 {
		t.Errorf("left after all went: %v", left)
	}
}

func TestImageWhoseSourceWentIsAConflict(t *testing.T) {
	r := newRig(t)
	tree := r.alias(ImageRequest{Reference: "a", Source: r.source("one"), Spec: fn.Spec{Runtime: "python"}}).Tree
	if err := os.RemoveAll(filepath.Join(r.dir.Artifacts(), artifactName(tree))); err != nil {
		t.Fatal(err)
	}
	_, err := r.tryImage(alpha, "a", fn.Spec{})
	mentions(t, err, fn.Conflict, "is gone")
}

func TestBuildImageChangesNothingUnlessItIsBuilt(t *testing.T) {
	r := newRig(t)
	req := ImageRequest{Reference: "ghcr.io/me/Shop_1:2", Source: r.source("one"), Spec: fn.Spec{Runtime: "python"}}
	r.builder.failWith(fn.Errorf(fn.Invalid, "syntax error"))
	_, err := r.BuildImage(t.Context(), req, func(Event) {})
	mentions(t, err, fn.Invalid, "syntax error")
	if list, _ := r.Images(t.Context()); len(list) > 0 {
		t.Errorf("made %v", list)
	}
	r.builder.failWith(nil)
	var lines []string
	img, err := r.BuildImage(t.Context(), req, func(e Event) { lines = append(lines, e.Line) })
	if err != nil || img.Reference != req.Reference || !slices.Contains(lines, "compiling") {
		t.Errorf("%+v, %v, %q", img, err, lines)
	}
	if got := buildName(req.Reference); got != (fn.Ref{Namespace: "default", Name: "shop-1"}) {
		t.Errorf("built in the name of %s", got)
	}
	if _, err := r.BuildImage(t.Context(), ImageRequest{Reference: "a"}, func(Event) {}); fn.KindOf(err) != fn.Invalid {
		t.Errorf("nothing to build: %v", err)
	}
}

func TestStoredImagesAreChecked(t *testing.T) {
	good := fn.Image{Reference: "a", Tree: "sha256:" + artifact("x"), Spec: fn.Spec{Runtime: "python"}}
	ref, _ := fn.ParseImage("a")
	for name, change := range map[string]func(*fn.Image, *store.Key){
		"":                  func(*fn.Image, *store.Key) {},
		"own name":          func(_ *fn.Image, k *store.Key) { k.Name = "a" },
		"exactly one":       func(i *fn.Image, _ *store.Key) { i.Tree = "" },
		"sha256":            func(i *fn.Image, _ *store.Key) { i.Tree = "../x" },
		"artifact.digest":   func(i *fn.Image, _ *store.Key) { i.Tree, i.Artifact = "", &fn.Artifact{} },
		"runtime":           func(i *fn.Image, _ *store.Key) { i.Spec.Runtime = "" },
		"reference: NAME[:": func(i *fn.Image, _ *store.Key) { i.Reference = "a:" },
	} {
		img, key := good, imageKey(ref)
		change(&img, &key)
		value, err := encode(img)
		if err != nil {
			t.Fatal(err)
		}
		err = Validate(store.Object{Key: key, Value: value})
		if name == "" && err == nil {
			continue
		}
		mentions(t, err, fn.Invalid, name)
	}
}
