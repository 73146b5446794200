package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

func TestDeployServesWhatWasSent(t *testing.T) {
	r := newRig(t)
	var steps []string
	digest := r.source("one")
	v, err := r.Deploy(t.Context(), Deploy{Ref: alpha, Spec: fn.Spec{Runtime: "python"}, Source: digest}, func(e Event) {
		if e.Done {
			steps = append(steps, e.Step)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"unpack", "compile", "start", "switch"}, steps); d != "" {
		t.Errorf("steps: %s", d)
	}
	if v.Latest != 1 || v.URL != "http://127.0.0.1:8080/function/alpha" || v.Replicas.Ready != 1 || v.Spec.Limits != fn.Default().Limits {
		t.Errorf("view: %+v", v)
	}
	if got, text := r.call(alpha); got != rev(alpha, 1) || text != "one" {
		t.Errorf("served by %v, %q", got, text)
	}
	if v := r.deploy(alpha, "two", nil); v.Latest != 2 {
		t.Errorf("second deploy: latest %d", v.Latest)
	}
	if got, text := r.call(alpha); got != rev(alpha, 2) || text != "two" {
		t.Errorf("after the second deploy: served by %v, %q", got, text)
	}
	r.engine.await(t, rev(alpha, 2)) // the old one goes
	if left := r.files(r.dir.Tmp()); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
}

func TestDeployNamesAllMistakesAtOnceAndChangesNothing(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	before := r.state()
	_, err := r.try(t.Context(), fn.Ref{Namespace: "Default", Name: "Alpha"}, "two", func(d *Deploy) {
		d.Spec.Runtime = "cobol"
		d.Spec.Limits.Memory = -1
		d.Spec.Env = map[string]string{"PORT": "1"}
		d.Labels = map[string]string{"a b": "c"}
		d.Spec.Handler = "../../etc/passwd"
	})
	mentions(t, err, fn.Invalid, "namespace", "name", "cobol", "limits.memory", "env.PORT", "labels", "handler")
	if n := len(fn.MistakesOf(err)); n != 7 {
		t.Errorf("%d mistakes, want 7: %v", n, err)
	}
	_, err = r.try(t.Context(), fn.Ref{Namespace: "nowhere", Name: "alpha"}, "two", nil)
	mentions(t, err, fn.NotFound, "nowhere")
	if fn.Hint(err) == "" {
		t.Error("no hint how to make the namespace")
	}
	_, err = r.Deploy(t.Context(), Deploy{Ref: alpha, Spec: fn.Spec{Runtime: "python"}, Source: "sha256:" + artifact("never sent")}, func(Event) {})
	mentions(t, err, fn.NotFound, "no source")
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
}

func TestUnchangedDeployIsRecognised(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	before, starts := r.state(), len(r.engine.started())
	cached := false
	_, err := r.Deploy(t.Context(), Deploy{Ref: alpha, Spec: fn.Spec{Runtime: "python"}, Source: r.source("one")}, func(e Event) { cached = cached || e.Cached })
	if err != nil || !cached {
		t.Errorf("deployed again: %v, cached %v", err, cached)
	}
	if d := cmp.Diff(before, r.state()); d != "" || len(r.engine.started()) != starts {
		t.Errorf("something changed: %s", d)
	}
}

func TestDeployOfOtherLabelsMakesNoRevision(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	v := r.deploy(alpha, "one", func(d *Deploy) { d.Labels = map[string]string{"team": "x"} })
	if v.Latest != 1 || v.Labels["team"] != "x" {
		t.Errorf("view: %+v", v)
	}
	found, err := r.Functions(t.Context(), "default", map[string]string{"team": "x"})
	if err != nil || len(found) != 1 {
		t.Errorf("by label: %v, %v", found, err)
	}
	if n := len(r.engine.started()); n != 1 {
		t.Errorf("%d starts, want 1", n)
	}
}

func TestFailedDeployLeavesTheOldRevisionServing(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	before := r.state()
	r.builder.failWith(&fn.Failure{Kind: fn.Invalid, Phase: "build", Message: "syntax error", Output: []string{"line 3"}})
	_, err := r.try(t.Context(), alpha, "two", nil)
	if f, ok := errors.AsType[*fn.Failure](err); !ok || len(f.Output) != 1 {
		t.Errorf("failing build: %v", err)
	}
	r.builder.failWith(nil)
	r.engine.refuse = func(s engine.Spec) error {
		if s.Revision.Number == 2 {
			return fn.Errorf(fn.Invalid, "no such program")
		}
		return nil
	}
	_, err = r.try(t.Context(), alpha, "three", nil)
	if f, ok := errors.AsType[*fn.Failure](err); !ok || f.Cause != "cannot-start" {
		t.Errorf("failing start: %v", err)
	}
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
	if got, text := r.call(alpha); got != rev(alpha, 1) || text != "one" {
		t.Errorf("served by %v, %q", got, text)
	}
	if v, err := r.Function(t.Context(), alpha); err != nil || v.LastError != nil {
		t.Errorf("the serving revision has a failure: %v, %v", v.LastError, err)
	}
	if v := r.deploy(alpha, "four", nil); v.Latest != 3 {
		t.Errorf("the failed deploy's number was given out again: %d", v.Latest)
	}
	if len(r.pending) != 0 {
		t.Errorf("still pending: %v", r.pending)
	}
}

func TestDeployWhoseCallerLeavesChangesNothing(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	before := r.state()
	r.engine.hold = func(s engine.Spec) <-chan struct{} { return make(chan struct{}) }
	ctx, cancel := context.WithCancelCause(t.Context())
	left := errors.New("gone for lunch")
	_, err := r.Deploy(ctx, Deploy{Ref: alpha, Spec: fn.Spec{Runtime: "python"}, Source: r.source("two")}, func(e Event) {
		if e.Step == "start" && !e.Done {
			cancel(left)
		}
	})
	if mentions(t, err, fn.Canceled); !errors.Is(err, left) {
		t.Errorf("error %v does not say why", err)
	}
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
	r.engine.await(t, rev(alpha, 1)) // nothing of the second is left
}

func TestNumberIsNotGivenOutAgainAfterRemove(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	r.deploy(alpha, "two", nil)
	if err := r.Remove(t.Context(), alpha); err != nil {
		t.Fatal(err)
	}
	if v := r.deploy(alpha, "three", nil); v.Latest != 3 {
		t.Errorf("latest %d, want 3", v.Latest)
	}
	if len(r.burned) != 0 {
		t.Errorf("numbers that the store knows are remembered: %v", r.burned)
	}
}

func TestFirstDeployStartsOneInstanceHoweverBusyOthersAre(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", func(d *Deploy) { d.Spec.Scale.Min = 4 })
	before := len(r.engine.started())
	r.deploy(beta, "two", nil)
	if n := len(r.engine.started()) - before; before != 4 || n != 1 {
		t.Errorf("%d instances of the first function, then %d of the second; want 4 and 1", before, n)
	}
}

func TestDeployStartsAsManyAsServe(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	if _, err := r.Scale(t.Context(), alpha, new(3)); err != nil {
		t.Fatal(err)
	}
	r.engine.await(t, rev(alpha, 1), rev(alpha, 1), rev(alpha, 1))
	if err := r.pool.Warm(t.Context(), rev(alpha, 1), 3); err != nil { // until all answer
		t.Fatal(err)
	}
	if v := r.deploy(alpha, "two", nil); v.Replicas.Ready < 3 {
		t.Errorf("%+v after the switch, want at least 3 ready", v.Replicas)
	}
}

func TestDeploysOfOneFunctionHappenOneAfterTheOther(t *testing.T) {
	r := newRig(t)
	r.builder.began, r.builder.gate = make(chan fn.Ref, 10), make(chan struct{})
	var crew sync.WaitGroup
	for i := range 3 {
		d := Deploy{Ref: alpha, Spec: fn.Spec{Runtime: "python"}, Source: r.source(fmt.Sprint("text ", i))}
		crew.Go(func() {
			if _, err := r.Deploy(t.Context(), d, func(Event) {}); err != nil {
				t.Errorf("deploy %d: %v", i, err)
			}
		})
	}
	for i := range 3 {
		<-r.builder.began
		select {
		case <-r.builder.began:
			t.Error("two builds of one function at the same time")
		default:
		}
		if i == 0 {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := r.Scale(ctx, alpha, nil)
			mentions(t, err, fn.Conflict, "default/alpha")
		}
		r.builder.gate <- struct{}{}
	}
	crew.Wait()
	revs, err := r.Revisions(t.Context(), alpha)
	if err != nil || len(revs) != 3 || revs[0].Number != 3 || revs[0].Weight != 100 {
		t.Errorf("revisions: %+v, %v", revs, err)
	}
}

func TestFirstDeploysInOneNamespaceAreNoConflict(t *testing.T) {
	r := newRig(t)
	r.builder.began, r.builder.gate = make(chan fn.Ref, 100), make(chan struct{})
	const n = 16
	var crew sync.WaitGroup
	for i := range n {
		d := Deploy{Ref: fn.Ref{Namespace: "default", Name: fmt.Sprint("f", i)}, Spec: fn.Spec{Runtime: "python"}, Source: r.source("same")}
		crew.Go(func() {
			if _, err := r.Deploy(t.Context(), d, func(Event) {}); err != nil {
				t.Errorf("deploy %d: %v", i, err)
			}
		})
	}
	for range n {
		<-r.builder.began
	}
	close(r.builder.gate) // all commit together
	crew.Wait()
	if all, err := r.Functions(t.Context(), "", nil); err != nil || len(all) != n {
		t.Errorf("%d functions, %v", len(all), err)
	}
}

func TestFirstDeployThatOvertakesAnotherIsNoConflict(t *testing.T) {
	r := newRig(t)
	r.cfg.Store = &meddler{Store: r.store, first: func() { r.deploy(beta, "two", nil) }}
	r.deploy(alpha, "one", nil)
	for ref, want := range map[fn.Ref]string{alpha: "one", beta: "two"} {
		if _, text := r.call(ref); text != want {
			t.Errorf("%s serves %q", ref, text)
		}
	}
}

func TestDeployOfAnArtifactOrRevisionOfTheFunctionItself(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	r.deploy(alpha, "two", nil)
	r.deploy(beta, "three", nil)
	v := r.deploy(alpha, "", func(d *Deploy) { d.Revision = 1; d.Spec.Limits.Memory = 64 << 20 })
	if _, text := r.call(alpha); v.Latest != 3 || text != "one" {
		t.Errorf("deploying revision 1 again: latest %d, serves %q", v.Latest, text)
	}
	v = r.deploy(alpha, "", func(d *Deploy) { d.Artifact = "sha256:" + artifact("two"); d.Spec.Env = map[string]string{"A": "b"} })
	if _, text := r.call(alpha); v.Latest != 4 || text != "two" {
		t.Errorf("deploying an artifact again: latest %d, serves %q", v.Latest, text)
	}
	_, err := r.try(t.Context(), alpha, "", func(d *Deploy) { d.Artifact = "sha256:" + artifact("three") })
	mentions(t, err, fn.NotFound, "artifact") // somebody else's
	_, err = r.try(t.Context(), alpha, "", func(d *Deploy) { d.Revision = 9 })
	mentions(t, err, fn.NotFound, "revision 9")
}

func TestOldRevisionsGoButNeverThoseWithTraffic(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "text 1", nil)
	kept := func() []int {
		revs, err := r.Revisions(t.Context(), alpha)
		if err != nil {
			t.Fatal(err)
		}
		var all []int
		for _, rv := range revs {
			all = append(all, rv.Number)
		}
		slices.Sort(all)
		return all
	}
	for i := 2; i <= 5; i++ {
		r.deploy(alpha, fmt.Sprint("text ", i), nil)
	}
	if d := cmp.Diff([]int{3, 4, 5}, kept()); d != "" {
		t.Errorf("kept: %s", d)
	}
	if _, err := r.Rollback(t.Context(), alpha, 3); err != nil {
		t.Fatal(err)
	}
	// A call has looked its route up, and is on its way while 3 is replaced.
	late := r.routes.Lookup([]byte("default"), []byte("alpha")).Pick(0)
	r.deploy(alpha, "text 6", nil)
	r.engine.await(t, rev(alpha, 6))
	s, err := r.pool.Admit(t.Context(), late, fn.CallID{})
	if err != nil {
		t.Fatalf("a call on its way to the revision that served: %v", err)
	}
	s.Answered = true
	s.Release(true)
	if d := cmp.Diff([]int{3, 5, 6}, kept()); d != "" {
		t.Errorf("kept: %s", d)
	}
	r.deploy(alpha, "text 7", nil)
	if d := cmp.Diff([]int{5, 6, 7}, kept()); d != "" {
		t.Errorf("kept: %s", d)
	}
}

func TestFunctionsEnvironment(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", func(d *Deploy) { d.Spec.Env = map[string]string{"COLOR": "mine", "LEVEL": "3"} })
	want := map[string]string{
		"COLOR": "mine", "LEVEL": "3", "SHIM": "1",
		"ROUSE_FUNCTION": "alpha", "ROUSE_NAMESPACE": "default", "ROUSE_REVISION": "1",
	}
	got := r.engine.started()[0]
	if d := cmp.Diff(want, got.Env); d != "" {
		t.Errorf("environment (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]string{"COLOR": "runtime", "SHIM": "1"}, got.Program.Env); d != "" {
		t.Errorf("the revision's own program was changed: %s", d)
	}
	if len(got.Mounts) != 0 {
		t.Errorf("mounts: %v", got.Mounts)
	}
}

func TestThisProgramIsMountedForRuntimesThatAskForIt(t *testing.T) {
	r := newRig(t)
	l, err := r.launch(fn.Revision{RevisionRef: rev(alpha, 1), Artifact: fn.Artifact{
		Digest: "sha256:" + artifact("x"), Program: fn.Program{Command: []string{"/rouse/rouse", "watchdog"}},
	}})
	if err != nil || len(l.Mounts) != 1 || l.Mounts[0] != (engine.Mount{Source: "/bin/rouse", Target: "/rouse/rouse"}) {
		t.Errorf("launch: %+v, %v", l.Mounts, err)
	}
	l, err = r.launch(fn.Revision{RevisionRef: rev(alpha, 1), Artifact: fn.Artifact{
		Digest: "sha256:" + artifact("x"), Program: fn.Program{Command: []string{"/bin/x"}, SeenAt: []string{"/home/app"}},
	}})
	if err != nil || len(l.Mounts) != 1 || l.Mounts[0] != (engine.Mount{Source: l.Root, Target: "/home/app"}) {
		t.Errorf("an artifact that is seen twice: %+v, %v", l, err)
	}
	_, err = r.launch(fn.Revision{Artifact: fn.Artifact{Digest: "sha256:../../etc"}})
	mentions(t, err, fn.Internal, "digest")
}

// failingStore refuses writes while told to.
type failingStore struct {
	store.Store
	err error
}

func (s *failingStore) Apply(ctx context.Context, changes ...store.Change) ([]uint64, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Store.Apply(ctx, changes...)
}

func TestDeployOnAFullDiskChangesNothing(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	r.deploy(alpha, "two", nil)
	r.engine.await(t, rev(alpha, 2))
	s := &failingStore{Store: r.store, err: fn.Errorf(fn.Exhausted, "the disk is full")}
	r.cfg.Store = s
	before := maps.Clone(r.state())
	_, err := r.try(t.Context(), alpha, "three", nil)
	mentions(t, err, fn.Exhausted, "disk is full")
	_, err = r.Rollback(t.Context(), alpha, 1)
	mentions(t, err, fn.Exhausted, "disk is full")
	_, err = r.Scale(t.Context(), alpha, new(2))
	mentions(t, err, fn.Exhausted, "disk is full")
	mentions(t, r.Remove(t.Context(), alpha), fn.Exhausted, "disk is full")
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
	r.engine.await(t, rev(alpha, 2)) // what had started for nothing is gone
	s.err = nil
	if got, _ := r.call(alpha); got != rev(alpha, 2) {
		t.Errorf("served by %v", got)
	}
}
