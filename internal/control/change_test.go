package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"rouse.dev/rouse/internal/engine"
	"rouse.dev/rouse/internal/fn"
	"rouse.dev/rouse/internal/store"
)

func TestRollbackServesAnEarlierRevision(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	r.deploy(alpha, "two", func(d *Deploy) { d.Spec.Env = map[string]string{"A": "b"} })
	r.deploy(alpha, "three", nil)
	for _, step := range []struct{ number, want int }{{0, 2}, {0, 1}, {3, 3}, {3, 3}} {
		v, err := r.Rollback(t.Context(), alpha, step.number)
		if err != nil {
			t.Fatalf("to %d: %v", step.number, err)
		}
		if got, _ := r.call(alpha); got != rev(alpha, step.want) || v.Latest != 3 || v.Traffic[0].Revision != step.want {
			t.Errorf("to %d: served by %v, view %+v", step.number, got, v.Traffic)
		}
		if hasEnv := v.Spec.Env != nil; hasEnv != (step.want == 2) {
			t.Errorf("to %d: the intent is not the revision's: %v", step.number, v.Spec.Env)
		}
		r.engine.await(t, rev(alpha, step.want))
	}
	if _, err := r.Rollback(t.Context(), alpha, 1); err != nil {
		t.Fatal(err)
	}
	before := r.state()
	_, err := r.Rollback(t.Context(), alpha, 0)
	mentions(t, err, fn.NotFound, "no revision before")
	_, err = r.Rollback(t.Context(), alpha, 7)
	mentions(t, err, fn.NotFound, "no revision 7")
	_, err = r.Rollback(t.Context(), beta, 0)
	mentions(t, err, fn.NotFound, "no function default/beta")
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
	if v := r.deploy(alpha, "four", nil); v.Latest != 4 {
		t.Errorf("deploy after a rollback: latest %d", v.Latest)
	}
}

func TestRollbackToWhatCannotStartChangesNothing(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	r.deploy(alpha, "two", nil)
	r.engine.await(t, rev(alpha, 2))
	before := r.state()
	r.engine.refuse = func(s engine.Spec) error { return fn.Errorf(fn.Exhausted, "no memory left") }
	_, err := r.Rollback(t.Context(), alpha, 1)
	mentions(t, err, fn.Unavailable, "cannot be started")
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
	if got, _ := r.call(alpha); got != rev(alpha, 2) {
		t.Errorf("served by %v", got)
	}
}

func TestScaleKeepsInstancesWithinTheBounds(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", func(d *Deploy) { d.Spec.Scale.Max = 3; d.Spec.Scale.Min = 1 })
	v, err := r.Scale(t.Context(), alpha, new(3))
	if err != nil || v.Function.Replicas == nil || *v.Function.Replicas != 3 {
		t.Fatalf("scale to 3: %+v, %v", v, err)
	}
	r.engine.await(t, rev(alpha, 1), rev(alpha, 1), rev(alpha, 1))
	before := r.state()
	for _, n := range []int{4, -1} {
		_, err := r.Scale(t.Context(), alpha, &n)
		mentions(t, err, fn.Invalid, "replicas", "scale.max (3)")
	}
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("something changed: %s", d)
	}
	if _, err := r.Scale(t.Context(), alpha, new(0)); err != nil {
		t.Fatal(err)
	}
	r.engine.await(t)
	if v, err := r.Scale(t.Context(), alpha, nil); err != nil || v.Function.Replicas != nil {
		t.Errorf("handed back: %+v, %v", v.Function.Replicas, err)
	}
	r.engine.await(t, rev(alpha, 1)) // scale.min
	_, err = r.Scale(t.Context(), beta, new(1))
	mentions(t, err, fn.NotFound, "beta")
}

func TestDeployHandsReplicasBackToTheAutoscaler(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	if _, err := r.Scale(t.Context(), alpha, new(2)); err != nil {
		t.Fatal(err)
	}
	if v := r.deploy(alpha, "one", nil); v.Function.Replicas != nil || v.Latest != 1 {
		t.Errorf("after deploying the same again: %v replicas, latest %d", v.Function.Replicas, v.Latest)
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", nil)
	r.deploy(alpha, "two", nil)
	r.deploy(beta, "three", nil)
	r.engine.await(t, rev(alpha, 2), rev(beta, 1))
	printed := func(ref fn.Ref) (n int) {
		for _, err := range r.Logs(t.Context(), ref, LogQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if printed(alpha) != 2 {
		t.Fatalf("%d lines printed, want one of each revision", printed(alpha))
	}
	slot, _ := r.admit(alpha)
	if err := r.Remove(t.Context(), alpha); err != nil {
		t.Fatal(err)
	}
	r.engine.await(t, rev(alpha, 2), rev(beta, 1)) // a call is in hand
	slot.Answered = true
	slot.Release(true)
	r.engine.await(t, rev(beta, 1))
	for key := range r.state() {
		if key == "functions default/alpha" || key == "revisions default/alpha/00000001" || key == "route of default/alpha" {
			t.Errorf("%s is still there", key)
		}
	}
	if n := len(r.state()); n != 4 { // namespace, beta, its revision, its route
		t.Errorf("state: %v", r.state())
	}
	if d := cmp.Diff([]fn.Ref{alpha}, r.forgotten); d != "" {
		t.Errorf("forgotten: %s", d)
	}
	mentions(t, r.Remove(t.Context(), alpha), fn.NotFound, "alpha")
	for _, err := range r.Logs(t.Context(), alpha, LogQuery{}) {
		mentions(t, err, fn.NotFound, "alpha")
	}
	r.deploy(alpha, "four", nil)
	if n := printed(alpha); n != 1 {
		t.Errorf("%d lines of the function made anew, want its own 1", n)
	}
}

func TestNamespaces(t *testing.T) {
	r := newRig(t)
	if _, err := r.CreateNamespace(t.Context(), "team", map[string]string{"a": "b"}, nil); err != nil {
		t.Fatal(err)
	}
	_, err := r.CreateNamespace(t.Context(), "team", nil, nil)
	mentions(t, err, fn.Conflict, "team exists already")
	_, err = r.CreateNamespace(t.Context(), "Te am", map[string]string{"x y": "z"}, nil)
	mentions(t, err, fn.Invalid, "namespace", "labels")
	_, err = r.CreateNamespace(t.Context(), fn.DefaultAlias, nil, nil)
	mentions(t, err, fn.Invalid, "another name of namespace default")
	ours := fn.Ref{Namespace: "team", Name: "alpha"}
	if v := r.deploy(ours, "one", nil); v.URL != "http://127.0.0.1:8080/function/alpha.team" {
		t.Errorf("URL %s", v.URL)
	}
	mentions(t, r.DeleteNamespace(t.Context(), "team"), fn.Conflict, "has 1 function")
	mentions(t, r.DeleteNamespace(t.Context(), "default"), fn.Conflict, "default")
	mentions(t, r.DeleteNamespace(t.Context(), "nowhere"), fn.NotFound, "nowhere")
	_, err = r.Functions(t.Context(), "nowhere", nil)
	mentions(t, err, fn.NotFound, "nowhere")
	if err := r.Remove(t.Context(), ours); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteNamespace(t.Context(), "team"); err != nil {
		t.Fatal(err)
	}
	all, err := r.Namespaces(t.Context())
	if err != nil || len(all) != 1 || all[0].Name != "default" {
		t.Errorf("left: %v, %v", all, err)
	}
}

func TestWhatANamespaceLeavesIsForgottenThoughNobodyWaits(t *testing.T) {
	r := newRig(t)
	if _, err := r.CreateNamespace(t.Context(), "team", nil, nil); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	forgotten := ""
	r.cfg.ForgetNamespace = func(ctx context.Context, name string) error {
		leave() // the client, as soon as the namespace is gone
		forgotten = name
		return ctx.Err()
	}
	if err := r.DeleteNamespace(ctx, "team"); err != nil || forgotten != "team" {
		t.Errorf("forgotten %q: %v", forgotten, err)
	}
}

// meddler runs something right before the next write.
type meddler struct {
	store.Store
	first func()
}

func (s *meddler) Apply(ctx context.Context, changes ...store.Change) ([]uint64, error) {
	if f := s.first; f != nil {
		s.first = nil
		f()
	}
	return s.Store.Apply(ctx, changes...)
}

func TestNamespaceDeletedWhileAFunctionIsMadeInIt(t *testing.T) {
	r := newRig(t)
	ours := fn.Ref{Namespace: "team", Name: "alpha"}
	m := &meddler{Store: r.store}
	r.cfg.Store = m
	for range 2 {
		if _, err := r.CreateNamespace(t.Context(), "team", nil, nil); err != nil && fn.KindOf(err) != fn.Conflict {
			t.Fatal(err)
		}
		m.first = func() {
			if err := r.DeleteNamespace(t.Context(), "team"); err != nil {
				t.Error(err)
			}
		}
		_, err := r.try(t.Context(), ours, "one", nil)
		mentions(t, err, fn.NotFound, "no namespace team")
	}
	if _, err := r.CreateNamespace(t.Context(), "team", nil, nil); err != nil {
		t.Fatal(err)
	}
	m.first = func() { r.deploy(ours, "one", nil) }
	mentions(t, r.DeleteNamespace(t.Context(), "team"), fn.Conflict, "team was used")
	r.call(ours)
	r.engine.await(t, rev(ours, 3))
}

func TestLoadRebuildsWhatRan(t *testing.T) {
	r := newRig(t)
	r.deploy(alpha, "one", func(d *Deploy) { d.Spec.Scale.Min = 2 })
	r.deploy(beta, "two", nil)
	if _, err := r.Scale(t.Context(), beta, new(1)); err != nil {
		t.Fatal(err)
	}
	r.deploy(fn.Ref{Namespace: "default", Name: "asleep"}, "three", nil)
	before := r.state()
	r.restart()
	r.engine.await(t, rev(alpha, 1), rev(alpha, 1), rev(beta, 1)) // and nothing of what is at zero
	if d := cmp.Diff(before, r.state()); d != "" {
		t.Errorf("after a restart: %s", d)
	}
	if got, text := r.call(fn.Ref{Namespace: "default", Name: "asleep"}); got.Number != 1 || text != "three" {
		t.Errorf("served by %v, %q", got, text)
	}
	if v := r.deploy(alpha, "four", nil); v.Latest != 2 {
		t.Errorf("latest %d, want 2", v.Latest)
	}
	info, err := r.Info(t.Context())
	if err != nil || info.Functions != 3 || info.Namespaces != 1 || info.Isolation != "none" {
		t.Errorf("info: %+v, %v", info, err)
	}
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		for range 2 {
			if err := g.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if g.tryAlone() {
			t.Fatal("alone with two inside")
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		left := errors.New("left")
		ended := make(chan error)
		go func() { ended <- g.alone(ctx) }()
		synctest.Wait()
		cancel(left)
		if err := <-ended; !errors.Is(err, left) {
			t.Errorf("alone = %v, want why it gave up", err)
		}
		go func() { ended <- g.alone(t.Context()) }()
		synctest.Wait()
		if err := g.enter(t.Context()); err != nil { // who waits to be alone keeps nobody out
			t.Fatal(err)
		}
		for range 3 {
			g.leave()
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		for range 2 {
			go func() { ended <- g.enter(t.Context()) }()
		}
		synctest.Wait()
		select {
		case <-ended:
			t.Error("entered while one is alone")
		default:
		}
		g.leave()
		if err := errors.Join(<-ended, <-ended); err != nil || g.tryAlone() {
			t.Errorf("after one was alone: %v", err)
		}
		g.leave()
		g.leave()
		if !g.tryAlone() {
			t.Error("nobody is inside, yet it is taken")
		}
	})
}

func TestNamespacesChangeTheirLabelsAndAnnotations(t *testing.T) {
	r := newRig(t)
	made, err := r.CreateNamespace(t.Context(), "team", map[string]string{"a": "b"}, map[string]string{"note": "old"})
	if err != nil {
		t.Fatal(err)
	}
	want := fn.Namespace{Name: "team", Annotations: map[string]string{"note": "new"}, Created: made.Created}
	if _, err := r.UpdateNamespace(t.Context(), "team", nil, want.Annotations); err != nil {
		t.Fatal(err)
	}
	r.restart()
	got, err := r.Namespace(t.Context(), "team")
	if err != nil || got.Annotations["note"] != "new" || len(got.Labels) != 0 || !got.Created.Equal(made.Created) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = r.UpdateNamespace(t.Context(), "team", map[string]string{"x y": "z"}, map[string]string{"v w": "z"})
	mentions(t, err, fn.Invalid, "labels", "annotations")
	_, err = r.UpdateNamespace(t.Context(), "nowhere", nil, nil)
	mentions(t, err, fn.NotFound, "nowhere")
	_, err = r.Namespace(t.Context(), fn.DefaultAlias)
	mentions(t, err, fn.NotFound, fn.DefaultAlias)
	if ns, err := r.Namespace(t.Context(), fn.DefaultNamespace); err != nil || ns.Name != fn.DefaultNamespace {
		t.Errorf("%+v, %v", ns, err)
	}
}

func TestNamespacesChangeWhileFunctionsAreMadeInThem(t *testing.T) {
	r := newRig(t)
	if _, err := r.CreateNamespace(t.Context(), "team", nil, nil); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Go(func() {
		for range 20 {
			if _, err := r.UpdateNamespace(t.Context(), "team", map[string]string{"a": "b"}, nil); err != nil {
				t.Error(err)
			}
		}
	})
	both.Go(func() {
		for i := range 4 {
			if _, err := r.try(t.Context(), fn.Ref{Namespace: "team", Name: fmt.Sprint("f", i)}, "one", nil); err != nil {
				t.Error(err)
			}
		}
	})
	both.Wait()
}
