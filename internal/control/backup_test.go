package control

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

func (r *rig) backup() *bytes.Buffer {
	r.t.Helper()
	var b bytes.Buffer
	if err := r.Backup(r.t.Context(), &b); err != nil {
		r.t.Fatal(err)
	}
	return &b
}

func TestRestoreIntoAnEmptyServer(t *testing.T) {
	a := newRig(t)
	a.deploy(alpha, "one", func(d *Deploy) { d.Spec.Scale.Min = 1; d.Labels = map[string]string{"l": "v"} })
	a.deploy(alpha, "two", func(d *Deploy) { d.Spec.Scale.Min = 1; d.Labels = map[string]string{"l": "v"} })
	if _, err := a.CreateNamespace(t.Context(), "team", nil, nil); err != nil {
		t.Fatal(err)
	}
	b := newRig(t)
	info, err := b.Restore(t.Context(), a.backup(), false)
	if err != nil || info.Functions != 1 || info.Revisions != 2 || info.Namespaces != 2 {
		t.Fatalf("restored: %+v, %v", info, err)
	}
	if d := cmp.Diff(a.state(), b.state()); d != "" {
		t.Errorf("restored state: %s", d)
	}
	b.engine.await(t, rev(alpha, 2)) // scale.min
	if got, text := b.call(alpha); got != rev(alpha, 2) || text != "two" {
		t.Errorf("served by %v, %q", got, text)
	}
	if found, err := b.Functions(t.Context(), "", map[string]string{"l": "v"}); err != nil || len(found) != 1 {
		t.Errorf("by label: %v, %v", found, err)
	}
	if v, err := b.Rollback(t.Context(), alpha, 0); err != nil || v.Traffic[0].Revision != 1 {
		t.Errorf("rollback after a restore: %+v, %v", v.Traffic, err)
	}
	if left := b.files(b.dir.Tmp()); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestRestoreReplacesOnlyWhenTold(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "old one", nil)
	saved := r.backup()
	r.deploy(alpha, "new two", nil)
	r.deploy(alpha, "new three", nil)
	r.deploy(beta, "new", nil)
	before := r.state()
	_, err := r.Restore(t.Context(), bytes.NewReader(saved.Bytes()), false)
	if mentions(t, err, fn.Conflict, "2 functions"); !strings.Contains(fn.Hint(err), "--replace") {
		t.Errorf("hint %q", fn.Hint(err))
	}
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
	inHand, _ := r.admit(alpha)
	if _, err := r.Restore(t.Context(), saved, true); err != nil {
		t.Fatal(err)
	}
	r.engine.await(t, rev(alpha, 3)) // finishes its call
	if got, text := r.call(alpha); got != rev(alpha, 1) || text != "old one" {
		t.Errorf("served by %v, %q", got, text)
	}
	inHand.Answered = true
	inHand.Release(true)
	r.engine.await(t, rev(alpha, 1))
	if r.routes.Lookup([]byte("default"), []byte("beta")) != nil || r.routes.Len() != 1 {
		t.Error("a function that the backup does not have still has a route")
	}
	if d := cmp.Diff([]fn.Ref{beta}, r.forgotten); d != "" {
		t.Errorf("forgotten: %s", d)
	}
	if v := r.deploy(alpha, "newer", nil); v.Latest != 4 {
		t.Errorf("a number of before the restore was given out again: %d", v.Latest)
	}
}

func TestCallsHeldDuringARestoreGoToTheRestoredRevision(t *testing.T) {
	other := newRig(t)
	other.deploy(alpha, "restored", nil)
	r := newRig(t)
	release := make(chan struct{})
	stuck := artifact("present")
	r.engine.hold = func(s engine.Spec) <-chan struct{} {
		if filepath.Base(s.Root) == stuck {
			return release
		}
		return nil
	}
	deployed := make(chan error)
	digest := r.source("present")
	go func() {
		_, err := r.Deploy(t.Context(), Deploy{Ref: alpha, Spec: fn.Spec{Runtime: "python"}, Source: digest}, func(Event) {})
		deployed <- err
	}()
	r.engine.await(t, rev(alpha, 1))
	close(release)
	if err := <-deployed; err != nil {
		t.Fatal(err)
	}
	if _, err := r.Scale(t.Context(), alpha, new(0)); err != nil {
		t.Fatal(err)
	}
	r.engine.await(t)
	release = make(chan struct{}) // from now on it does not answer
	served := make(chan string)
	go func() {
		_, text := r.call(alpha)
		served <- text
	}()
	r.engine.await(t, rev(alpha, 1))
	if _, err := r.Restore(t.Context(), other.backup(), true); err != nil {
		t.Fatal(err)
	}
	if text := <-served; text != "restored" {
		t.Errorf("the held call was served %q", text)
	}
	r.engine.await(t, rev(alpha, 1))
}

func TestRestoreWaitsForADeploy(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	saved := r.backup()
	r.builder.began, r.builder.gate = make(chan fn.Ref), make(chan struct{})
	digest := r.source("two")
	deployed, restored := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Deploy(t.Context(), Deploy{Ref: beta, Spec: fn.Spec{Runtime: "python"}, Source: digest}, func(Event) {})
		deployed <- err
	}()
	<-r.builder.began
	go func() {
		_, err := r.Restore(t.Context(), saved, true)
		restored <- err
	}()
	if _, err := r.Scale(t.Context(), alpha, new(1)); err != nil { // a waiting restore keeps nobody out
		t.Fatal(err)
	}
	close(r.builder.gate)
	if err := <-deployed; err != nil {
		t.Errorf("deploy: %v", err)
	}
	if err := <-restored; err != nil {
		t.Errorf("restore: %v", err)
	}
	if _, err := r.Function(t.Context(), beta); fn.KindOf(err) != fn.NotFound {
		t.Errorf("beta after the restore: %v", err)
	}
}

// spoil changes the objects of a rig's store, past all validators.
func (r *rig) spoil(change func(objects map[store.Key]*store.Change)) {
	r.t.Helper()
	objects := map[store.Key]*store.Change{}
	for _, kind := range Kinds() {
		all, _, err := r.store.List(r.t.Context(), store.Query{Kind: kind})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, o := range all {
			objects[o.Key] = &store.Change{Key: o.Key, Labels: o.Labels, Value: o.Value, IfVersion: store.AnyVersion}
		}
	}
	change(objects)
	for _, ch := range objects {
		if _, err := r.store.Apply(r.t.Context(), *ch); err != nil {
			r.t.Fatal(err)
		}
	}
}

// edit changes fields of a JSON object.
func edit(t *testing.T, ch *store.Change, fields map[string]any) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(ch.Value, &v); err != nil {
		t.Fatal(err)
	}
	maps.Copy(v, fields)
	var err error
	if ch.Value, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreRefusesWhatNoOtherDoorLetsIn(t *testing.T) {
	function, revision := functionKey(alpha), revisionKey(rev(alpha, 1))
	cases := map[string]struct {
		spoil func(t *testing.T, o map[store.Key]*store.Change)
		words []string
	}{
		"another name": {func(t *testing.T, o map[store.Key]*store.Change) {
			edit(t, o[function], map[string]any{"name": "../up"})
		}, []string{"name", "key"}},
		"traffic to nowhere": {func(t *testing.T, o map[store.Key]*store.Change) {
			edit(t, o[function], map[string]any{"latest": 9, "traffic": []fn.Target{{Revision: 9, Weight: 100}}})
		}, []string{"00000009"}},
		"replicas": {func(t *testing.T, o map[store.Key]*store.Change) {
			edit(t, o[function], map[string]any{"replicas": 1000})
		}, []string{"replicas"}},
		"limits": {func(t *testing.T, o map[store.Key]*store.Change) {
			edit(t, o[revision], map[string]any{"spec": fn.Spec{}})
		}, []string{"limits.memory", "runtime"}},
		"artifact outside": {func(t *testing.T, o map[store.Key]*store.Change) {
			edit(t, o[revision], map[string]any{"artifact": fn.Artifact{Digest: "sha256:../../etc", Program: fn.Program{Command: []string{"x"}}}})
		}, []string{"digest"}},
		"artifact missing": {func(t *testing.T, o map[store.Key]*store.Change) {
			edit(t, o[revision], map[string]any{"artifact": fn.Artifact{Digest: "sha256:" + artifact("none"), Program: fn.Program{Command: []string{"x"}}}})
		}, []string{artifact("none")}},
		"no program": {func(t *testing.T, o map[store.Key]*store.Change) {
			edit(t, o[revision], map[string]any{"artifact": fn.Artifact{Digest: "sha256:" + artifact("one")}})
		}, []string{"command"}},
		"no revision": {func(_ *testing.T, o map[store.Key]*store.Change) { o[revision].Value = nil }, []string{"00000001"}},
		"no function": {func(_ *testing.T, o map[store.Key]*store.Change) { o[function].Value = nil }, []string{"functions default/alpha"}},
		"no namespace": {func(_ *testing.T, o map[store.Key]*store.Change) {
			o[namespaceKey("default")].Value = nil
		}, []string{"namespace default"}},
		"no JSON": {func(_ *testing.T, o map[store.Key]*store.Change) { o[function].Value = []byte("{") }, []string{"functions default/alpha"}},
	}
	r := newRig(t)
	r.deploy(alpha, "mine", nil)
	before, artifacts := r.state(), r.files(r.dir.Artifacts())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bad := newRig(t)
			bad.deploy(alpha, "one", nil)
			bad.spoil(func(o map[store.Key]*store.Change) { c.spoil(t, o) })
			_, err := r.Restore(t.Context(), bad.backup(), true)
			mentions(t, err, fn.Invalid, c.words...)
			if d := cmp.Diff(before, r.state()); d != "" {
				t.Errorf("something changed: %s", d)
			}
			if d := cmp.Diff(artifacts, r.files(r.dir.Artifacts())); d != "" {
				t.Errorf("artifacts: %s", d)
			}
			if left := r.files(r.dir.Tmp()); len(left) > 0 {
				t.Errorf("left in tmp: %v", left)
			}
		})
	}
}

func TestCollectRemovesWhatNoRevisionNames(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	r.deploy(alpha, "two", nil)
	r.deploy(beta, "three", nil)
	inHand, _ := r.admit(beta)
	if err := r.Remove(t.Context(), beta); err != nil {
		t.Fatal(err)
	}
	names := func(texts ...string) (all []string) {
		for _, text := range texts {
			all = append(all, artifact(text))
		}
		slices.Sort(all)
		return all
	}
	mentions(t, r.Collect(t.Context(), time.Now()), fn.Unavailable, "still runs")
	if d := cmp.Diff(names("one", "two", "three"), r.files(r.dir.Artifacts())); d != "" {
		t.Errorf("collected under an instance that runs: %s", d)
	}
	inHand.Release(false)
	r.engine.await(t, rev(alpha, 2))
	if err := r.pool.Warm(t.Context(), rev(alpha, 2), 1); err != nil {
		t.Fatal(err)
	}
	r.collect(time.Now())
	if d := cmp.Diff(names("one", "two"), r.files(r.dir.Artifacts())); d != "" {
		t.Errorf("artifacts: %s", d)
	}
}

// collect collects once the pool, too, has seen that instances are gone.
func (r *rig) collect(now time.Time) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := r.Collect(r.t.Context(), now)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(err)
		}
		runtime.Gosched()
	}
}

func TestCollectKeepsOutOfTheWayOfADeploy(t *testing.T) {
	r := newRig(t)
	r.engine.hold = func(engine.Spec) <-chan struct{} { return nil }
	collected := false
	_, err := r.Deploy(t.Context(), Deploy{Ref: alpha, Spec: fn.Spec{Runtime: "python"}, Source: r.source("one")}, func(e Event) {
		if e.Step == "start" && !e.Done { // built, and no revision names it yet
			collected = true
			if err := r.Collect(t.Context(), time.Now()); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || !collected {
		t.Fatalf("deploy: %v, collected %v", err, collected)
	}
	if _, text := r.call(alpha); text != "one" {
		t.Errorf("serves %q", text)
	}
	if err := os.Mkdir(filepath.Join(r.dir.Artifacts(), artifact("left by a failed deploy")), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.Collect(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{artifact("one")}, r.files(r.dir.Artifacts())); d != "" {
		t.Errorf("artifacts: %s", d)
	}
}
