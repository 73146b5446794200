package nativetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"rouse.dev/rouse/internal/control"
	"rouse.dev/rouse/internal/fn"
)

// Deploy implements native.Deployer. It validates as the real one does, then
// pretends to build and start; see FailBuild and FailStart.
func (f *Fake) Deploy(ctx context.Context, d control.Deploy, emit func(control.Event)) (control.View, error) {
	if d.Image != "" {
		var err error
		if d, err = f.expand(d); err != nil {
			return control.View{}, err
		}
	}
	d.Spec.Policy = d.Spec.Policy.WithDefaults(fn.Default())
	if d.Spec.Mode == "" {
		d.Spec.Mode = fn.ModeHandler
	}
	if err := f.check(ctx, d); err != nil {
		return control.View{}, err
	}
	emit(control.Event{Step: "build"})
	if out := d.Spec.Env[FailBuild]; out != "" {
		emit(control.Event{Step: "build", Line: out})
		f.built(d.Ref, "build:\n  "+out+"\nfailed: exit status 1\n")
		return control.View{}, &fn.Failure{
			Kind: fn.Invalid, Phase: fn.PhaseInit, Cause: "build-failed", Message: "the build of " + d.Ref.String() + " failed",
			Hint: "see all of its output with: rouse logs " + d.Ref.Name + " --build", Output: []string{out}, Exit: "exit status 1",
		}
	}
	rev, cached := f.revise(d)
	emit(control.Event{Step: "build", Line: "collected 1 package"})
	f.built(d.Ref, "build:\n  collected 1 package\nmade it\n")
	emit(control.Event{Step: "build", Done: true, Cached: cached, Took: 1500 * time.Millisecond})
	emit(control.Event{Step: "start"})
	if out := d.Spec.Env[FailStart]; out != "" {
		return control.View{}, &fn.Failure{
			Kind: fn.Unavailable, Phase: fn.PhaseInit, Cause: "exited", Message: "the program of " + d.Ref.String() + " ended before it answered",
			Hint: "read its output below; rouse logs has more", Output: []string{out}, Exit: "exit status 1",
		}
	}
	emit(control.Event{Step: "start", Done: true, Took: 42 * time.Millisecond})
	return f.install(d, rev), nil
}

func (f *Fake) check(ctx context.Context, d control.Deploy) error {
	err := errors.Join(fn.ValidateRef(d.Ref), fn.ValidateSpec(d.Spec),
		fn.ValidateLabels("labels", d.Labels), fn.ValidateLabels("annotations", d.Annotations))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.namespaces[d.Namespace]; !ok {
		return fn.WithHint(fn.Errorf(fn.NotFound, "there is no namespace %s", d.Namespace), "make it with rouse namespace create %s", d.Namespace)
	}
	var missing fn.Mistakes
	for i, name := range d.Spec.Secrets {
		if _, ok := f.secrets[secretName(d.Namespace, name)]; !ok {
			missing.Add(fmt.Sprintf("secrets[%d]", i), "there is no secret %s in namespace %s", name, d.Namespace)
		}
	}
	if err := missing.Err(); err != nil {
		return fn.WithHint(err, "make it first: rouse secret create NAME -n %s", d.Namespace)
	}
	runtimes, _ := f.Runtimes(ctx)
	known := false
	for _, rt := range runtimes {
		if rt.Name != d.Spec.Runtime {
			continue
		}
		if known = true; !rt.Available {
			return fn.WithHint(fn.Errorf(fn.Invalid, "runtime %s cannot run here", rt.Name), "%s", rt.Missing)
		}
	}
	if !known {
		return fn.WithHint(fn.Errorf(fn.Invalid, "there is no runtime %s", d.Spec.Runtime), "rouse runtimes shows those there are")
	}
	if d.Source != "" && !f.sources[d.Source] {
		return fn.WithHint(fn.Errorf(fn.NotFound, "no source %s is here", d.Source), "upload it first")
	}
	return nil
}

// revise makes the revision d asks for; cached if its artifact was built
// before.
func (f *Fake) revise(d control.Deploy) (control.RevisionView, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	artifact := fn.Artifact{Digest: d.Artifact, Size: 4096}
	if d.Source != "" {
		artifact.Digest = digestOf("artifact", d.Source)
	}
	fun := f.functions[d.Ref]
	number, cached := 1, d.Artifact != ""
	if fun != nil {
		number = fun.view.Latest + 1
		for _, old := range fun.revisions {
			if d.Revision == old.Number {
				artifact = old.Artifact
			}
			cached = cached || old.Artifact.Digest == artifact.Digest
		}
	}
	return control.RevisionView{Revision: fn.Revision{
		RevisionRef: fn.RevisionRef{Ref: d.Ref, Number: number}, Artifact: artifact, Spec: d.Spec,
		Digest: digestOf(artifact.Digest, d.Spec), Created: Epoch,
	}}, cached
}

func (f *Fake) install(d control.Deploy, rev control.RevisionView) control.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	fun := f.functions[d.Ref]
	if fun == nil {
		fun = &function{view: control.View{
			Function: fn.Function{Ref: d.Ref, Created: Epoch},
			URL:      fmt.Sprintf("%s/function/%s.%s", f.base, d.Name, d.Namespace),
		}}
		f.functions[d.Ref] = fun
	}
	fun.revisions = append(fun.revisions, rev)
	fun.view.Labels, fun.view.Annotations = d.Labels, d.Annotations
	fun.view.Latest, fun.view.Updated = rev.Number, Epoch
	fun.view.Function.Replicas = nil
	fun.view.Replicas = control.Replicas{Ready: 1}
	fun.serve(rev.Number)
	fun.log = append(fun.log, control.LogLine{
		Time: Epoch, Stream: "rouse", Revision: rev.Number, Text: fmt.Sprintf("revision %d serves", rev.Number),
	})
	f.changedLocked()
	return fun.view
}

func digestOf(parts ...any) string {
	text, _ := json.Marshal(parts) // plain data always encodes
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
